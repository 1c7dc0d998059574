-- A slice of a large sync: a range of the first key, in both looks at the model.
/*
ask: newest
dialects: [duckdb, snowflake]
views:
  user_activity:
    keys: {user_id: varchar}
    time: {observed_at: timestamp}
    features: {orders_7d: bigint}
end: 2024-05-19 12:00:00
first_key: {after: "1", upto: a}
*/
-- duckdb
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."orders_7d"
FROM user_activity AS "v"
JOIN (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    AND "v"."user_id" > '1'
    AND "v"."user_id" <= 'a'
  GROUP BY
    "v"."user_id"
) AS "m"
  ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
  AND "v"."user_id" > '1'
  AND "v"."user_id" <= 'a'
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
  ) = 1
ORDER BY
  "user_id" ASC NULLS LAST;
-- snowflake
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."orders_7d"
FROM user_activity AS "v"
JOIN (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
    AND "v"."user_id" > '1'
    AND "v"."user_id" <= 'a'
  GROUP BY
    "v"."user_id"
) AS "m"
  ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."observed_at" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
  AND "v"."user_id" > '1'
  AND "v"."user_id" <= 'a'
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
  ) = 1
ORDER BY
  "user_id" ASC;
