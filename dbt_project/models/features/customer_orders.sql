-- One row per customer and order: what was known about the customer's orders at that moment.
-- Guests stay in with a NULL customer: their rows belong to nobody and are never matched.
with

orders as (select * from {{ ref("stg_orders") }}),

running as (
    select
        customer_id,  -- entity
        placed_at,  -- event time, UTC
        loaded_at,  -- created time, UTC
        count(*) over (
            partition by customer_id order by placed_at
            range between interval '30 days' preceding and current row
        ) as orders_30d,
        cast(sum(amount_usd) over (
            partition by customer_id order by placed_at
            range between interval '30 days' preceding and current row
        ) as numeric(18, 2)) as spend_30d_usd,
        amount_usd as last_order_usd,
        cast({{ dbt.datediff(
            "lag(placed_at) over (partition by customer_id order by placed_at, loaded_at, order_id)",
            "placed_at",
            "day"
        ) }} as bigint) as days_since_previous
    from orders
)

select * from running
{{ featurestore.order_by_entity_time() }}
