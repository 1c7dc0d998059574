-- One row per user and second with a rating: the ratings of the user up to and including that second.
-- All ratings of one second count in its one row, so no tie is left to break.
with

ratings as (select * from {{ ref("stg_ratings") }}),

running as (
    select distinct
        user_id,  -- entity
        rated_at,  -- event time, UTC
        count(*) over so_far as rating_count,
        avg(rating) over so_far as rating_mean
    from ratings
    window so_far as (partition by user_id order by rated_at)
)

select * from running
