-- Which rows of a snapshot could have answered one example: those that were valid, and those that were not.
/*
ask: candidates
views:
  user_plan:
    keys: {user_id: varchar}
    time: {dbt_valid_from: timestamp}
    valid_to: {dbt_valid_to: timestamp}
    features: {plan: varchar, seats: bigint}
features: [user_plan]
example: {keys: {user_id: a}, at: 2024-05-19 12:00:00, limit: 5}
*/
-- duckdb
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS TEXT) AS "user_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC NULLS LAST,
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC NULLS LAST,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC NULLS LAST,
  "c"."__event" DESC NULLS LAST,
  CAST("c"."plan" AS TEXT) DESC NULLS LAST,
  "c"."seats" DESC NULLS LAST;
-- postgres
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS TEXT) AS "user_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC,
    "g"."__event" DESC NULLS LAST,
    CAST("g"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC,
  "c"."__event" DESC NULLS LAST,
  CAST("c"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST,
  "c"."seats" DESC NULLS LAST;
-- clickhouse
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS Nullable(String)) AS "user_id",
    CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC'))) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC,
    CAST("g"."plan" AS Nullable(String)) DESC,
    "g"."seats" DESC
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC,
    CAST("g"."plan" AS Nullable(String)) DESC,
    "g"."seats" DESC
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC,
    "g"."__event" DESC,
    CAST("g"."plan" AS Nullable(String)) DESC,
    "g"."seats" DESC
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC,
  "c"."__event" DESC,
  CAST("c"."plan" AS Nullable(String)) DESC,
  "c"."seats" DESC;
-- spark, without ASOF
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS STRING) AS `user_id`,
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`dbt_valid_from` AS `__event`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__created`,
    `v`.`dbt_valid_from` AS `__usable_from`,
    `v`.`dbt_valid_to` AS `__valid_to`,
    `v`.`plan`,
    `v`.`seats`,
    `v`.`dbt_valid_from`
  FROM `__spine` AS `s`
  JOIN user_plan AS `v`
    ON `v`.`user_id` = `s`.`user_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      AND (
        `r`.`__valid_to` IS NULL OR `r`.`__spine_time` < `r`.`__valid_to`
      )
      THEN 0
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      THEN 1
      ELSE 2
    END AS `__group`
  FROM `__rows` AS `r`
), `__counts` AS (
  /* how many rows each group has */
  SELECT
    `__group`,
    COUNT(*) AS `__of_group`
  FROM `__grouped`
  GROUP BY
    `__group`
), `__in_play` AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 0
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 6
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 5
), `__later` AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 2
  ORDER BY
    `g`.`__usable_from` ASC NULLS LAST,
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 5
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`plan`,
  `c`.`seats`,
  `c`.`dbt_valid_from`
FROM (
  SELECT
    *
  FROM `__in_play`
  UNION ALL
  SELECT
    *
  FROM `__passed`
  UNION ALL
  SELECT
    *
  FROM `__later`
) AS `c`
JOIN `__counts` AS `n`
  ON `n`.`__group` = `c`.`__group`
ORDER BY
  `c`.`__group` ASC NULLS LAST,
  CASE WHEN `c`.`__group` = 2 THEN `c`.`__usable_from` END ASC NULLS LAST,
  `c`.`__event` DESC NULLS LAST,
  `c`.`plan` DESC NULLS LAST,
  `c`.`seats` DESC NULLS LAST;
-- snowflake
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS VARCHAR) AS "user_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS TIMESTAMP_NTZ) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC,
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC,
  "c"."__event" DESC NULLS LAST,
  "c"."plan" DESC NULLS LAST,
  "c"."seats" DESC NULLS LAST;
-- bigquery
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS STRING) AS `user_id`,
    CAST('2024-05-19 12:00:00' AS DATETIME) AS `__spine_time`
), `__rows` AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`dbt_valid_from` AS `__event`,
    CAST(NULL AS DATETIME) AS `__created`,
    `v`.`dbt_valid_from` AS `__usable_from`,
    `v`.`dbt_valid_to` AS `__valid_to`,
    `v`.`plan`,
    `v`.`seats`,
    `v`.`dbt_valid_from`
  FROM `__spine` AS `s`
  JOIN user_plan AS `v`
    ON `v`.`user_id` = `s`.`user_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      AND (
        `r`.`__valid_to` IS NULL OR `r`.`__spine_time` < `r`.`__valid_to`
      )
      THEN 0
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      THEN 1
      ELSE 2
    END AS `__group`
  FROM `__rows` AS `r`
), `__counts` AS (
  /* how many rows each group has */
  SELECT
    `__group`,
    COUNT(*) AS `__of_group`
  FROM `__grouped`
  GROUP BY
    `__group`
), `__in_play` AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 0
  ORDER BY
    `g`.`__event` DESC,
    `g`.`plan` DESC,
    `g`.`seats` DESC
  LIMIT 6
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC,
    `g`.`plan` DESC,
    `g`.`seats` DESC
  LIMIT 5
), `__later` AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 2
  ORDER BY
    `g`.`__usable_from` IS NULL ASC, `g`.`__usable_from` ASC,
    `g`.`__event` DESC,
    `g`.`plan` DESC,
    `g`.`seats` DESC
  LIMIT 5
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`plan`,
  `c`.`seats`,
  `c`.`dbt_valid_from`
FROM (
  SELECT
    *
  FROM `__in_play`
  UNION ALL
  SELECT
    *
  FROM `__passed`
  UNION ALL
  SELECT
    *
  FROM `__later`
) AS `c`
JOIN `__counts` AS `n`
  ON `n`.`__group` = `c`.`__group`
ORDER BY
  `c`.`__group` ASC,
  CASE WHEN `c`.`__group` = 2 THEN `c`.`__usable_from` END IS NULL ASC, CASE WHEN `c`.`__group` = 2 THEN `c`.`__usable_from` END ASC,
  `c`.`__event` DESC,
  `c`.`plan` DESC,
  `c`.`seats` DESC;
-- redshift
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS VARCHAR(MAX)) AS "user_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC,
    "g"."__event" DESC NULLS LAST,
    "g"."plan" DESC NULLS LAST,
    "g"."seats" DESC NULLS LAST
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC,
  "c"."__event" DESC NULLS LAST,
  "c"."plan" DESC NULLS LAST,
  "c"."seats" DESC NULLS LAST;
-- databricks
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS STRING) AS `user_id`,
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`dbt_valid_from` AS `__event`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__created`,
    `v`.`dbt_valid_from` AS `__usable_from`,
    `v`.`dbt_valid_to` AS `__valid_to`,
    `v`.`plan`,
    `v`.`seats`,
    `v`.`dbt_valid_from`
  FROM `__spine` AS `s`
  JOIN user_plan AS `v`
    ON `v`.`user_id` = `s`.`user_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      AND (
        `r`.`__valid_to` IS NULL OR `r`.`__spine_time` < `r`.`__valid_to`
      )
      THEN 0
      WHEN `r`.`__usable_from` <= `r`.`__spine_time`
      THEN 1
      ELSE 2
    END AS `__group`
  FROM `__rows` AS `r`
), `__counts` AS (
  /* how many rows each group has */
  SELECT
    `__group`,
    COUNT(*) AS `__of_group`
  FROM `__grouped`
  GROUP BY
    `__group`
), `__in_play` AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 0
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 6
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 5
), `__later` AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 2
  ORDER BY
    `g`.`__usable_from` ASC NULLS LAST,
    `g`.`__event` DESC NULLS LAST,
    `g`.`plan` DESC NULLS LAST,
    `g`.`seats` DESC NULLS LAST
  LIMIT 5
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`plan`,
  `c`.`seats`,
  `c`.`dbt_valid_from`
FROM (
  SELECT
    *
  FROM `__in_play`
  UNION ALL
  SELECT
    *
  FROM `__passed`
  UNION ALL
  SELECT
    *
  FROM `__later`
) AS `c`
JOIN `__counts` AS `n`
  ON `n`.`__group` = `c`.`__group`
ORDER BY
  `c`.`__group` ASC,
  CASE WHEN `c`.`__group` = 2 THEN `c`.`__usable_from` END ASC NULLS LAST,
  `c`.`__event` DESC NULLS LAST,
  `c`.`plan` DESC NULLS LAST,
  `c`.`seats` DESC NULLS LAST;
-- trino
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('a' AS VARCHAR) AS "user_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP(6)) AS "__spine_time"
), "__rows" AS (
  /* P2: user_plan: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."dbt_valid_from" AS "__event",
    CAST(NULL AS TIMESTAMP(6)) AS "__created",
    "v"."dbt_valid_from" AS "__usable_from",
    "v"."dbt_valid_to" AS "__valid_to",
    "v"."plan",
    "v"."seats",
    "v"."dbt_valid_from"
  FROM "__spine" AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P9); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      AND (
        "r"."__valid_to" IS NULL OR "r"."__spine_time" < "r"."__valid_to"
      )
      THEN 0
      WHEN "r"."__usable_from" <= "r"."__spine_time"
      THEN 1
      ELSE 2
    END AS "__group"
  FROM "__rows" AS "r"
), "__counts" AS (
  /* how many rows each group has */
  SELECT
    "__group",
    COUNT(*) AS "__of_group"
  FROM "__grouped"
  GROUP BY
    "__group"
), "__in_play" AS (
  /* P4: the newest of those that may be taken; the first one is */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 0
  ORDER BY
    "g"."__event" DESC,
    "g"."plan" DESC,
    "g"."seats" DESC
  LIMIT 6
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC,
    "g"."plan" DESC,
    "g"."seats" DESC
  LIMIT 5
), "__later" AS (
  /* the soonest usable of those that were not yet */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 2
  ORDER BY
    "g"."__usable_from" ASC,
    "g"."__event" DESC,
    "g"."plan" DESC,
    "g"."seats" DESC
  LIMIT 5
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."plan",
  "c"."seats",
  "c"."dbt_valid_from"
FROM (
  SELECT
    *
  FROM "__in_play"
  UNION ALL
  SELECT
    *
  FROM "__passed"
  UNION ALL
  SELECT
    *
  FROM "__later"
) AS "c"
JOIN "__counts" AS "n"
  ON "n"."__group" = "c"."__group"
ORDER BY
  "c"."__group" ASC,
  CASE WHEN "c"."__group" = 2 THEN "c"."__usable_from" END ASC,
  "c"."__event" DESC,
  "c"."plan" DESC,
  "c"."seats" DESC;
