-- One row per customer, product and order: what the customer had bought of the product by then.
with

orders as (select * from {{ ref("stg_orders") }}),

running as (
    select
        customer_id,  -- entity
        product_id,  -- entity
        placed_at,  -- event time, UTC
        loaded_at,  -- created time, UTC
        count(*) over (
            partition by customer_id, product_id order by placed_at
            range between unbounded preceding and current row
        ) as times_bought,
        cast(sum(quantity) over (
            partition by customer_id, product_id order by placed_at
            range between unbounded preceding and current row
        ) as bigint) as pieces_bought
    from orders
    where customer_id is not null
)

select * from running
{{ featurestore.order_by_entity_time() }}
