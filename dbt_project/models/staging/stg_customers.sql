-- Customers as they are today; the snapshot `customer_tier` keeps what they were.
with

customers as (select * from {{ ref("raw_customers") }}),

typed as (
    select
        customer_id,
        signed_up_at,
        tier_changed_at,
        country,
        tier
    from customers
)

select * from typed
