-- One row per warehouse and loaded report: how things stood there that morning.
with

reports as (select * from {{ ref("raw_location_reports") }}),

conditions as (
    select
        location_id,  -- entity
        reported_at,  -- event time, UTC
        loaded_at,  -- created time, UTC
        backlog_parcels,
        cast(temperature_c as {{ featurestore.type_double() }}) as temperature_c
    from reports
)

select * from conditions
{{ featurestore.order_by_entity_time() }}
