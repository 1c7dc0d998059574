-- A sync of a view in which most keys have one row: only keys with several rows are looked through for ties.
/*
ask: newest
is_sparse: true
dialects: [duckdb]
views:
  user_activity:
    keys: {user_id: varchar}
    time: {observed_at: timestamp}
    created_at: {loaded_at: timestamp}
    features: {orders_7d: bigint, spend_7d_usd: double}
end: 2024-05-19 12:00:00
*/
-- duckdb
WITH "__times" AS (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event",
    COUNT(*) AS "__rows"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
  GROUP BY
    "v"."user_id"
)
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."loaded_at",
  "v"."orders_7d",
  "v"."spend_7d_usd"
FROM (
  SELECT
    "v"."user_id",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."orders_7d",
    "v"."spend_7d_usd"
  FROM user_activity AS "v"
  JOIN "__times" AS "m"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  WHERE
    (
      "v"."user_id" IS NOT NULL
      AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    )
    AND "m"."__rows" = 1
  UNION ALL
  SELECT
    "v"."user_id",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."orders_7d",
    "v"."spend_7d_usd"
  FROM user_activity AS "v"
  JOIN "__times" AS "m"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  WHERE
    (
      "v"."user_id" IS NOT NULL
      AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    )
    AND "m"."__rows" > 1
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
) AS "v"
ORDER BY
  "user_id" ASC NULLS LAST;
