-- One row per movie.
select distinct
    movie_id,
    title,
    genres
from {{ ref("stg_ratings") }}
