-- Parcels with typed columns; those under way have no time of delivery yet.
with

deliveries as (select * from {{ ref("raw_deliveries") }}),

typed as (
    select
        order_id,
        parcel,
        shipped_at,
        promised_at,
        delivered_at
    from deliveries
)

select * from typed
