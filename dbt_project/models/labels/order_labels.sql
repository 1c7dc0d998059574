-- One row per order of a known customer: whether the customer ordered again within fourteen days.
-- Asked at the moment of the order; orders of the last fourteen days have no answer yet and are left out.
with

orders as (
    select
        order_id,
        customer_id,
        product_id,
        placed_at,
        min(placed_at) over (
            partition by customer_id order by placed_at
            range between interval '1 microsecond' following and interval '14 days' following
        ) as next_placed_at
    from {{ ref("stg_orders") }}
    where customer_id is not null
),

last_day as (select max(placed_at) as ended_at from {{ ref("stg_orders") }}),

labelled as (
    select
        orders.order_id,
        orders.customer_id,  -- entity
        orders.product_id,  -- entity
        orders.placed_at as asked_at,  -- the time of the example, UTC
        orders.next_placed_at is not null as repurchased_14d  -- label
    from orders
    cross join last_day
    where orders.placed_at <= last_day.ended_at - interval '14 days'
)

select * from labelled
