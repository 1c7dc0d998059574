-- One row per rating: was it a good one?
select
    user_id,  -- entity
    movie_id,  -- entity
    rated_at,  -- the time of the example, UTC
    rating >= 4 as is_liked  -- label
from {{ ref("stg_ratings") }}
