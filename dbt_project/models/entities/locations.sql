-- One row per location: what does not change.
with

source as (select * from {{ ref("raw_locations") }}),

locations as (
    select
        location_id,
        city,
        country
    from source
)

select * from locations
