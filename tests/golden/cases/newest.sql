-- A sync: of each key the newest row in the range, as it is to be stored online.
/*
ask: newest
views:
  user_activity:
    keys: {user_id: varchar}
    time: {observed_at: timestamp}
    created_at: {loaded_at: timestamp}
    delay: 1h
    features: {orders_7d: bigint, spend_7d_usd: double}
start: 2024-05-17 12:00:00
end: 2024-05-19 12:00:00
*/
-- duckdb
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."loaded_at",
  "v"."orders_7d",
  "v"."spend_7d_usd"
FROM user_activity AS "v"
JOIN (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
  GROUP BY
    "v"."user_id"
) AS "m"
  ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
  AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
  ) = 1
ORDER BY
  "user_id" ASC NULLS LAST;
-- postgres
SELECT
  "r"."user_id",
  "r"."observed_at",
  "r"."loaded_at",
  "r"."orders_7d",
  "r"."spend_7d_usd"
FROM (
  SELECT
    "v"."user_id",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) AS "__rank"
  FROM user_activity AS "v"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      MAX("v"."observed_at") AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."user_id" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
      AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
    GROUP BY
      "v"."user_id"
  ) AS "m"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
-- clickhouse
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."loaded_at",
  "v"."orders_7d",
  "v"."spend_7d_usd"
FROM user_activity AS "v"
JOIN (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
  GROUP BY
    "v"."user_id"
) AS "m"
  ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
  AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY "v"."loaded_at" DESC, "v"."orders_7d" DESC, isNaN("v"."spend_7d_usd") DESC, "v"."spend_7d_usd" DESC
  ) = 1
ORDER BY
  "user_id" ASC;
-- spark, without ASOF
SELECT
  `r`.`user_id`,
  `r`.`observed_at`,
  `r`.`loaded_at`,
  `r`.`orders_7d`,
  `r`.`spend_7d_usd`
FROM (
  SELECT
    `v`.`user_id`,
    `v`.`observed_at`,
    `v`.`loaded_at`,
    `v`.`orders_7d`,
    `v`.`spend_7d_usd`,
    ROW_NUMBER() OVER (
      PARTITION BY `v`.`user_id`
      ORDER BY `v`.`loaded_at` DESC NULLS LAST, `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
    ) AS `__rank`
  FROM user_activity AS `v`
  JOIN (
    SELECT
      `v`.`user_id` AS `__key_0`,
      MAX(`v`.`observed_at`) AS `__event`
    FROM user_activity AS `v`
    WHERE
      `v`.`user_id` IS NOT NULL
      AND `v`.`observed_at` + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
      AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
    GROUP BY
      `v`.`user_id`
  ) AS `m`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  WHERE
    `v`.`user_id` IS NOT NULL
    AND `v`.`observed_at` + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
    AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
) AS `r`
WHERE
  `r`.`__rank` = 1
ORDER BY
  `user_id` ASC NULLS LAST;
-- snowflake
SELECT
  "v"."user_id",
  "v"."observed_at",
  "v"."loaded_at",
  "v"."orders_7d",
  "v"."spend_7d_usd"
FROM user_activity AS "v"
JOIN (
  SELECT
    "v"."user_id" AS "__key_0",
    MAX("v"."observed_at") AS "__event"
  FROM user_activity AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
  GROUP BY
    "v"."user_id"
) AS "m"
  ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
  AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
  ) = 1
ORDER BY
  "user_id" ASC;
-- bigquery
SELECT
  `r`.`user_id`,
  `r`.`observed_at`,
  `r`.`loaded_at`,
  `r`.`orders_7d`,
  `r`.`spend_7d_usd`
FROM (
  SELECT
    `v`.`user_id`,
    `v`.`observed_at`,
    `v`.`loaded_at`,
    `v`.`orders_7d`,
    `v`.`spend_7d_usd`,
    ROW_NUMBER() OVER (
      PARTITION BY `v`.`user_id`
      ORDER BY `v`.`loaded_at` DESC, `v`.`orders_7d` DESC, IS_NAN(`v`.`spend_7d_usd`) DESC, `v`.`spend_7d_usd` DESC
    ) AS `__rank`
  FROM user_activity AS `v`
  JOIN (
    SELECT
      `v`.`user_id` AS `__key_0`,
      MAX(`v`.`observed_at`) AS `__event`
    FROM user_activity AS `v`
    WHERE
      `v`.`user_id` IS NOT NULL
      AND `v`.`observed_at` + INTERVAL 1 HOUR <= CAST('2024-05-19 12:00:00' AS DATETIME)
      AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS DATETIME)
    GROUP BY
      `v`.`user_id`
  ) AS `m`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  WHERE
    `v`.`user_id` IS NOT NULL
    AND `v`.`observed_at` + INTERVAL 1 HOUR <= CAST('2024-05-19 12:00:00' AS DATETIME)
    AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS DATETIME)
) AS `r`
WHERE
  `r`.`__rank` = 1
ORDER BY
  `user_id` ASC;
-- redshift
SELECT
  "r"."user_id",
  "r"."observed_at",
  "r"."loaded_at",
  "r"."orders_7d",
  "r"."spend_7d_usd"
FROM (
  SELECT
    "v"."user_id",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) AS "__rank"
  FROM user_activity AS "v"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      MAX("v"."observed_at") AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."user_id" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
      AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
    GROUP BY
      "v"."user_id"
  ) AS "m"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1 HOUR' <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP)
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
-- databricks
SELECT
  `v`.`user_id`,
  `v`.`observed_at`,
  `v`.`loaded_at`,
  `v`.`orders_7d`,
  `v`.`spend_7d_usd`
FROM user_activity AS `v`
JOIN (
  SELECT
    `v`.`user_id` AS `__key_0`,
    MAX(`v`.`observed_at`) AS `__event`
  FROM user_activity AS `v`
  WHERE
    `v`.`user_id` IS NOT NULL
    AND `v`.`observed_at` + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
    AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
  GROUP BY
    `v`.`user_id`
) AS `m`
  ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
WHERE
  `v`.`user_id` IS NOT NULL
  AND `v`.`observed_at` + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
  AND `v`.`observed_at` >= CAST('2024-05-17 12:00:00' AS TIMESTAMP_NTZ)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY `v`.`user_id`
    ORDER BY `v`.`loaded_at` DESC NULLS LAST, `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
  ) = 1
ORDER BY
  `user_id` ASC;
-- trino
SELECT
  "r"."user_id",
  "r"."observed_at",
  "r"."loaded_at",
  "r"."orders_7d",
  "r"."spend_7d_usd"
FROM (
  SELECT
    "v"."user_id",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY "v"."loaded_at" DESC, "v"."orders_7d" DESC, "v"."spend_7d_usd" DESC
    ) AS "__rank"
  FROM user_activity AS "v"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      MAX("v"."observed_at") AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."user_id" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP(6))
      AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP(6))
    GROUP BY
      "v"."user_id"
  ) AS "m"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."observed_at" + INTERVAL '1' HOUR <= CAST('2024-05-19 12:00:00' AS TIMESTAMP(6))
    AND "v"."observed_at" >= CAST('2024-05-17 12:00:00' AS TIMESTAMP(6))
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
