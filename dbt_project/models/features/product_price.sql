-- One row per product and price: from when until when it was asked.
with

prices as (select * from {{ ref("raw_prices") }}),

intervals as (
    select
        product_id,  -- entity
        valid_from,  -- event time, UTC
        lead(valid_from) over (partition by product_id order by valid_from) as valid_to,  -- its end, UTC
        price_usd,
        is_discounted
    from prices
)

select * from intervals
{{ featurestore.order_by_entity_time() }}
