-- A sync of a snapshot: a row that is valid at the end goes before one that is not.
/*
ask: newest
views:
  user_plan:
    keys: {user_id: varchar}
    time: {dbt_valid_from: timestamp}
    valid_to: {dbt_valid_to: timestamp}
    features: {plan: varchar}
end: 2024-05-19 12:00:00
*/
-- duckdb
SELECT
  "v"."user_id",
  "v"."dbt_valid_from",
  "v"."plan",
  "v"."dbt_valid_to"
FROM user_plan AS "v"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY CASE
      WHEN "v"."dbt_valid_to" IS NULL
      OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS TIMESTAMP)
      THEN 0
      ELSE 1
    END ASC NULLS LAST, "v"."dbt_valid_from" DESC NULLS LAST, CAST("v"."plan" AS TEXT) DESC NULLS LAST, "v"."dbt_valid_from" DESC NULLS LAST, "v"."dbt_valid_to" DESC NULLS FIRST
  ) = 1
ORDER BY
  "user_id" ASC NULLS LAST;
-- postgres
SELECT
  "r"."user_id",
  "r"."dbt_valid_from",
  "r"."plan",
  "r"."dbt_valid_to"
FROM (
  SELECT
    "v"."user_id",
    "v"."dbt_valid_from",
    "v"."plan",
    "v"."dbt_valid_to",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY CASE
        WHEN "v"."dbt_valid_to" IS NULL
        OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS TIMESTAMP)
        THEN 0
        ELSE 1
      END ASC, "v"."dbt_valid_from" DESC NULLS LAST, CAST("v"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST, "v"."dbt_valid_from" DESC NULLS LAST, "v"."dbt_valid_to" DESC
    ) AS "__rank"
  FROM user_plan AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
-- clickhouse
SELECT
  "v"."user_id",
  "v"."dbt_valid_from",
  "v"."plan",
  "v"."dbt_valid_to"
FROM user_plan AS "v"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY CASE
      WHEN "v"."dbt_valid_to" IS NULL
      OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC')))
      THEN 0
      ELSE 1
    END ASC, "v"."dbt_valid_from" DESC, CAST("v"."plan" AS Nullable(String)) DESC, "v"."dbt_valid_from" DESC, "v"."dbt_valid_to" DESC NULLS FIRST
  ) = 1
ORDER BY
  "user_id" ASC;
-- spark, without ASOF
SELECT
  `r`.`user_id`,
  `r`.`dbt_valid_from`,
  `r`.`plan`,
  `r`.`dbt_valid_to`
FROM (
  SELECT
    `v`.`user_id`,
    `v`.`dbt_valid_from`,
    `v`.`plan`,
    `v`.`dbt_valid_to`,
    ROW_NUMBER() OVER (
      PARTITION BY `v`.`user_id`
      ORDER BY CASE
        WHEN `v`.`dbt_valid_to` IS NULL
        OR `v`.`dbt_valid_to` > CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
        THEN 0
        ELSE 1
      END ASC NULLS LAST, `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`plan` DESC NULLS LAST, `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`dbt_valid_to` DESC NULLS FIRST
    ) AS `__rank`
  FROM user_plan AS `v`
  WHERE
    `v`.`user_id` IS NOT NULL
    AND `v`.`dbt_valid_from` <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
) AS `r`
WHERE
  `r`.`__rank` = 1
ORDER BY
  `user_id` ASC NULLS LAST;
-- snowflake
SELECT
  "v"."user_id",
  "v"."dbt_valid_from",
  "v"."plan",
  "v"."dbt_valid_to"
FROM user_plan AS "v"
WHERE
  "v"."user_id" IS NOT NULL
  AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY "v"."user_id"
    ORDER BY CASE
      WHEN "v"."dbt_valid_to" IS NULL
      OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
      THEN 0
      ELSE 1
    END ASC, "v"."dbt_valid_from" DESC NULLS LAST, "v"."plan" DESC NULLS LAST, "v"."dbt_valid_from" DESC NULLS LAST, "v"."dbt_valid_to" DESC
  ) = 1
ORDER BY
  "user_id" ASC;
-- bigquery
SELECT
  `r`.`user_id`,
  `r`.`dbt_valid_from`,
  `r`.`plan`,
  `r`.`dbt_valid_to`
FROM (
  SELECT
    `v`.`user_id`,
    `v`.`dbt_valid_from`,
    `v`.`plan`,
    `v`.`dbt_valid_to`,
    ROW_NUMBER() OVER (
      PARTITION BY `v`.`user_id`
      ORDER BY CASE
        WHEN `v`.`dbt_valid_to` IS NULL
        OR `v`.`dbt_valid_to` > CAST('2024-05-19 12:00:00' AS DATETIME)
        THEN 0
        ELSE 1
      END ASC, `v`.`dbt_valid_from` DESC, `v`.`plan` DESC, `v`.`dbt_valid_from` DESC, `v`.`dbt_valid_to` IS NULL DESC, `v`.`dbt_valid_to` DESC
    ) AS `__rank`
  FROM user_plan AS `v`
  WHERE
    `v`.`user_id` IS NOT NULL
    AND `v`.`dbt_valid_from` <= CAST('2024-05-19 12:00:00' AS DATETIME)
) AS `r`
WHERE
  `r`.`__rank` = 1
ORDER BY
  `user_id` ASC;
-- redshift
SELECT
  "r"."user_id",
  "r"."dbt_valid_from",
  "r"."plan",
  "r"."dbt_valid_to"
FROM (
  SELECT
    "v"."user_id",
    "v"."dbt_valid_from",
    "v"."plan",
    "v"."dbt_valid_to",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY CASE
        WHEN "v"."dbt_valid_to" IS NULL
        OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS TIMESTAMP)
        THEN 0
        ELSE 1
      END ASC, "v"."dbt_valid_from" DESC NULLS LAST, "v"."plan" DESC NULLS LAST, "v"."dbt_valid_from" DESC NULLS LAST, "v"."dbt_valid_to" DESC
    ) AS "__rank"
  FROM user_plan AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP)
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
-- databricks
SELECT
  `v`.`user_id`,
  `v`.`dbt_valid_from`,
  `v`.`plan`,
  `v`.`dbt_valid_to`
FROM user_plan AS `v`
WHERE
  `v`.`user_id` IS NOT NULL
  AND `v`.`dbt_valid_from` <= CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
QUALIFY
  ROW_NUMBER() OVER (
    PARTITION BY `v`.`user_id`
    ORDER BY CASE
      WHEN `v`.`dbt_valid_to` IS NULL
      OR `v`.`dbt_valid_to` > CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ)
      THEN 0
      ELSE 1
    END ASC, `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`plan` DESC NULLS LAST, `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`dbt_valid_to` DESC NULLS FIRST
  ) = 1
ORDER BY
  `user_id` ASC;
-- trino
SELECT
  "r"."user_id",
  "r"."dbt_valid_from",
  "r"."plan",
  "r"."dbt_valid_to"
FROM (
  SELECT
    "v"."user_id",
    "v"."dbt_valid_from",
    "v"."plan",
    "v"."dbt_valid_to",
    ROW_NUMBER() OVER (
      PARTITION BY "v"."user_id"
      ORDER BY CASE
        WHEN "v"."dbt_valid_to" IS NULL
        OR "v"."dbt_valid_to" > CAST('2024-05-19 12:00:00' AS TIMESTAMP(6))
        THEN 0
        ELSE 1
      END ASC, "v"."dbt_valid_from" DESC, "v"."plan" DESC, "v"."dbt_valid_from" DESC, "v"."dbt_valid_to" DESC NULLS FIRST
    ) AS "__rank"
  FROM user_plan AS "v"
  WHERE
    "v"."user_id" IS NOT NULL
    AND "v"."dbt_valid_from" <= CAST('2024-05-19 12:00:00' AS TIMESTAMP(6))
) AS "r"
WHERE
  "r"."__rank" = 1
ORDER BY
  "user_id" ASC;
