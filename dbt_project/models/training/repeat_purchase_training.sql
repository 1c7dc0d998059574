-- One row per example of order_labels, with the features of the service repeat_purchase_v1 as of that moment.
{{ featurestore.training_set(
    spine=ref("order_labels"),
    spine_time="asked_at",
    features=[
        "customer_orders:orders_30d",
        "customer_orders:spend_30d_usd",
        "customer_orders:days_since_previous",
        "customer_products:times_bought",
        "product_demand:units_7d",
        "product_price:price_usd",
        "customer_tier:tier",
        "shop_days:orders_1d",
    ],
) }}
