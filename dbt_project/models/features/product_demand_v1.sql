-- One row per product and order: how much of the product was sold in the week up to it.
with

orders as (select * from {{ ref("stg_orders") }}),

running as (
    select
        product_id,  -- entity
        placed_at,  -- event time, UTC
        loaded_at,  -- created time, UTC
        cast(sum(quantity) over (
            partition by product_id order by placed_at
            range between interval '7 days' preceding and current row
        ) as bigint) as units_7d
    from orders
)

select * from running
{{ featurestore.order_by_entity_time() }}
