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
