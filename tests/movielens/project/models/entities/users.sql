-- One row per user.
select distinct user_id from {{ ref("stg_ratings") }}
