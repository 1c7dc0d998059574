-- One row per user and movie: a rating, with its movie's title.
with

ratings as (select * from {{ source("movielens", "ratings") }}),

renamed as (
    select
        "userId" as user_id,
        "movieId" as movie_id,
        make_timestamp("timestamp" * 1000000) as rated_at,  -- whole seconds, UTC
        rating,
        title,
        genres
    from ratings
)

select * from renamed
