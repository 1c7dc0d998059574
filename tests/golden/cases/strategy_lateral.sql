-- A walk down an index per example; the event time is compared as it is stored, so that the index serves.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_activity:
    {keys: {user_id: varchar}, time: {observed_at: timestamptz}, ttl: 7 days, delay: 1h, created_at: {loaded_at: timestamp}, features: {orders_7d: bigint, spend_7d_usd: double}}
features: ["user_activity:orders_7d"]
strategy: lateral
dialects: [duckdb, postgres]
*/
-- duckdb
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."bought",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS "spine"
), "__user_activity" AS MATERIALIZED (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read; P4, P5: the whole row */
  SELECT
    "s"."__spine_row",
    "l"."orders_7d",
    "l"."observed_at"
  FROM (
    SELECT
      "__spine_row",
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  CROSS JOIN LATERAL (
    SELECT
      "v"."orders_7d",
      "v"."observed_at"
    FROM user_activity AS "v"
    WHERE
      "v"."user_id" = "s"."user_id"
      AND "v"."observed_at" <= (
        "s"."__spine_time" - INTERVAL '1' HOUR
      ) AT TIME ZONE 'UTC'
      AND "v"."observed_at" >= (
        "s"."__spine_time" - INTERVAL '7' DAY
      ) AT TIME ZONE 'UTC'
    ORDER BY
      "v"."observed_at" DESC NULLS LAST,
      "v"."loaded_at" DESC NULLS LAST,
      "v"."orders_7d" DESC NULLS LAST,
      "v"."spend_7d_usd" DESC NULLS LAST
    LIMIT 1
  ) AS "l"
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."__spine_row" = "__user_activity"."__spine_row";
-- postgres
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."bought",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS "spine"
), "__user_activity" AS MATERIALIZED (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read; P4, P5: the whole row */
  SELECT
    "s"."__spine_row",
    "l"."orders_7d",
    "l"."observed_at"
  FROM (
    SELECT
      "__spine_row",
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
    ORDER BY
      "user_id" ASC,
      "__spine_time" ASC
  ) AS "s"
  CROSS JOIN LATERAL (
    SELECT
      "v"."orders_7d",
      "v"."observed_at"
    FROM user_activity AS "v"
    WHERE
      "v"."user_id" = "s"."user_id"
      AND "v"."observed_at" <= (
        "s"."__spine_time" - INTERVAL '1 HOUR'
      ) AT TIME ZONE 'UTC'
      AND "v"."observed_at" >= (
        "s"."__spine_time" - INTERVAL '7 DAY'
      ) AT TIME ZONE 'UTC'
    ORDER BY
      "v"."observed_at" DESC,
      "v"."loaded_at" DESC NULLS LAST,
      "v"."orders_7d" DESC NULLS LAST,
      "v"."spend_7d_usd" DESC NULLS LAST
    LIMIT 1
  ) AS "l"
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."__spine_row" = "__user_activity"."__spine_row";
