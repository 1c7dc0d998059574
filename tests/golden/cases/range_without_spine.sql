-- Without a spine, in a range: every row of the view, both ends included.
/*
ask: range
views:
  user_activity: {keys: {user_id: varchar}, time: {observed_at: timestamptz}, features: {orders_7d: bigint}}
features: [user_activity]
start: 2024-05-17 12:00:00
end: 2024-05-19 12:00:00
*/
-- duckdb
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  "v"."observed_at" AT TIME ZONE 'UTC' >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
  AND "v"."observed_at" AT TIME ZONE 'UTC' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP);
-- postgres
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  "v"."observed_at" AT TIME ZONE 'UTC' >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
  AND "v"."observed_at" AT TIME ZONE 'UTC' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP);
-- clickhouse
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  CAST("v"."observed_at" AS Nullable(DateTime64(6, 'UTC'))) >= CAST('2024-05-17 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
  AND CAST("v"."observed_at" AS Nullable(DateTime64(6, 'UTC'))) <= CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC')));
-- spark, without ASOF
SELECT
  `v`.`user_id` AS `user_id`,
  `v`.`observed_at` AS `event_timestamp`,
  `v`.`orders_7d` AS `orders_7d`
FROM user_activity AS `v`
WHERE
  (
    CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`observed_at`)
  ) >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
  AND (
    CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`observed_at`)
  ) <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ);
-- snowflake
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  CAST(CONVERT_TIMEZONE('UTC', "v"."observed_at") AS TIMESTAMP_NTZ) >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
  AND CAST(CONVERT_TIMEZONE('UTC', "v"."observed_at") AS TIMESTAMP_NTZ) <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ);
-- bigquery
SELECT
  `v`.`user_id` AS `user_id`,
  `v`.`observed_at` AS `event_timestamp`,
  `v`.`orders_7d` AS `orders_7d`
FROM user_activity AS `v`
WHERE
  DATETIME(`v`.`observed_at`, 'UTC') >= CAST('2024-05-17 12:00:00' AS DATETIME)
  AND DATETIME(`v`.`observed_at`, 'UTC') <= CAST('2024-05-19 12:00:00' AS DATETIME);
-- redshift
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  "v"."observed_at" AT TIME ZONE 'UTC' >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
  AND "v"."observed_at" AT TIME ZONE 'UTC' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP);
-- databricks
SELECT
  `v`.`user_id` AS `user_id`,
  `v`.`observed_at` AS `event_timestamp`,
  `v`.`orders_7d` AS `orders_7d`
FROM user_activity AS `v`
WHERE
  (
    CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
      0,
      0,
      0,
      CAST(CAST(UNIX_MICROS(`v`.`observed_at`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
    )
  ) >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
  AND (
    CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
      0,
      0,
      0,
      CAST(CAST(UNIX_MICROS(`v`.`observed_at`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
    )
  ) <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ);
-- trino
SELECT
  "v"."user_id" AS "user_id",
  "v"."observed_at" AS "event_timestamp",
  "v"."orders_7d" AS "orders_7d"
FROM user_activity AS "v"
WHERE
  CAST(AT_TIMEZONE("v"."observed_at", 'UTC') AS TIMESTAMP(6)) >= CAST('2024-05-17 12:00:00' AS TIMESTAMP(6))
  AND CAST(AT_TIMEZONE("v"."observed_at", 'UTC') AS TIMESTAMP(6)) <= CAST('2024-05-19 12:00:00' AS TIMESTAMP(6));
