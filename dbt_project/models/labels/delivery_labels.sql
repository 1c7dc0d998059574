-- One row per delivered parcel: whether it came later than promised.
-- Asked when the parcel leaves. Two parcels of one order are two equal questions; guests have no customer.
with

deliveries as (select * from {{ ref("stg_deliveries") }}),

orders as (select * from {{ ref("stg_orders") }}),

labelled as (
    select
        deliveries.order_id,
        deliveries.parcel,
        orders.customer_id,  -- entity
        orders.product_id,  -- entity
        orders.origin_id,  -- entity location
        orders.destination_id,  -- entity location
        deliveries.shipped_at,  -- the time of the example, UTC
        deliveries.delivered_at > deliveries.promised_at as is_late  -- label
    from deliveries
    inner join orders on deliveries.order_id = orders.order_id
    where deliveries.delivered_at is not null
)

select * from labelled
