-- One row per parcel of delivery_labels, with the features of the service delivery_delay_v1 as of its departure.
{{ featurestore.training_set(
    spine=ref("delivery_labels"),
    spine_time="shipped_at",
    features=[
        "location_conditions[location_id=origin_id] as origin:backlog_parcels",
        "location_conditions[location_id=origin_id] as origin:temperature_c",
        "location_conditions[location_id=destination_id] as destination:backlog_parcels",
        "location_conditions[location_id=destination_id] as destination:temperature_c",
        "product_demand@v1:units_7d",
        "customer_tier:tier",
        "shop_days:orders_1d",
    ],
    full_feature_names=true,
) }}
