-- One row per rating, with the features of the service liked_v1 as of just before it.
{{ training_set(
    spine=ref("rating_labels"),
    spine_time="rated_at",
    features=["user_ratings", "movie_ratings"],
    full_feature_names=true,
) }}
