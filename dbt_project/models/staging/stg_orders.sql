-- Orders with typed columns; guests have no customer.
with

orders as (select * from {{ ref("raw_orders") }}),

typed as (
    select
        order_id,
        customer_id,
        product_id,
        origin_id,
        destination_id,
        placed_at,
        loaded_at,
        quantity,
        amount_usd
    from orders
)

select * from typed
