-- The portable search, asked for where there is a better one.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_activity:
    {keys: {user_id: varchar}, time: {observed_at: timestamp}, ttl: 7 days, delay: 1h, created_at: {loaded_at: timestamp}, features: {orders_7d: bigint, spend_7d_usd: double}}
features: ["user_activity:orders_7d"]
strategy: union_first
dialects: [duckdb, clickhouse, snowflake]
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_row",
    "v"."__key_0",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_row",
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC NULLS LAST, "t"."__side" ASC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        CAST(NULL AS BIGINT) AS "__spine_row",
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" + INTERVAL '1' HOUR AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" + INTERVAL '1' HOUR <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7' DAY
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_row",
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7' DAY
), "__user_activity" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."__spine_row" = "__user_activity"."__spine_row";
-- clickhouse
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."bought",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS "spine"
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" + INTERVAL '1' HOUR AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" + INTERVAL '1' HOUR <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7' DAY
      ) AS "v"
      UNION ALL
      SELECT
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7' DAY
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."loaded_at" DESC, "v"."orders_7d" DESC, isNaN("v"."spend_7d_usd") DESC, "v"."spend_7d_usd" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
-- snowflake
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."bought",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS "spine"
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" + INTERVAL '1 HOUR' AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" + INTERVAL '1 HOUR' <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7 DAY'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP_NTZ) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7 DAY'
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
