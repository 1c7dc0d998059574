-- One row per day: the whole shop's orders of that day.
with

orders as (select * from {{ ref("stg_orders") }}),

days as (
    select
        cast(placed_at as date) as sold_on,  -- event time, a date in UTC
        count(*) as orders_1d,
        cast(sum(amount_usd) as numeric(18, 2)) as revenue_1d_usd
    from orders
    group by cast(placed_at as date)
)

select * from days
{{ featurestore.order_by_entity_time() }}
