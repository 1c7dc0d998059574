-- One row per customer: what does not change.
with

source as (select * from {{ ref("stg_customers") }}),

customers as (
    select
        customer_id,
        signed_up_at,
        country
    from source
)

select * from customers
