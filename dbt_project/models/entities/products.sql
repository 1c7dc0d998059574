-- One row per product: what does not change.
with

source as (select * from {{ ref("raw_products") }}),

products as (
    select
        product_id,
        product_name,
        category,
        home_location_id
    from source
)

select * from products
