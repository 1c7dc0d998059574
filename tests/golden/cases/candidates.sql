-- Which rows could have answered one example: as of knowledge, with a delay, a ttl and a tie-breaker, two keys.
/*
ask: candidates
views:
  user_in_shop:
    keys: {user_id: bigint, shop_id: varchar}
    time: {observed_at: timestamptz}
    created_at: {loaded_at: timestamp}
    features: {visits: bigint, last_visit: double}
    ttl: 7 days
    delay: 1h
    as_of: knowledge
    boundary: exclusive
    tie_breakers: [priority]
features: [user_in_shop]
example: {keys: {user_id: 2, shop_id: a1}, at: 2024-05-19 12:00:00, limit: 2}
*/
-- duckdb
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS "user_id",
    CAST('a1' AS TEXT) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."observed_at" AT TIME ZONE 'UTC' AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST("v"."observed_at" AT TIME ZONE 'UTC' + INTERVAL '1' HOUR, "v"."loaded_at")
    END AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7' DAY
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC NULLS LAST,
  "c"."priority" DESC NULLS LAST,
  "c"."visits" DESC NULLS LAST,
  "c"."last_visit" DESC NULLS LAST;
-- postgres
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS "user_id",
    CAST('a1' AS TEXT) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."observed_at" AT TIME ZONE 'UTC' AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST("v"."observed_at" AT TIME ZONE 'UTC' + INTERVAL '1 HOUR', "v"."loaded_at")
    END AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7 DAY'
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC NULLS LAST,
  "c"."priority" DESC NULLS LAST,
  "c"."visits" DESC NULLS LAST,
  "c"."last_visit" DESC NULLS LAST;
-- clickhouse
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS Nullable(Int64)) AS "user_id",
    CAST('a1' AS Nullable(String)) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC'))) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    CAST("v"."observed_at" AS Nullable(DateTime64(6, 'UTC'))) AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST(
        CAST("v"."observed_at" AS Nullable(DateTime64(6, 'UTC'))) + INTERVAL '1' HOUR,
        "v"."loaded_at"
      )
    END AS "__usable_from",
    CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7' DAY
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    isNaN("g"."last_visit") DESC,
    "g"."last_visit" DESC
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC,
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    isNaN("g"."last_visit") DESC,
    "g"."last_visit" DESC
  LIMIT 2
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
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    isNaN("g"."last_visit") DESC,
    "g"."last_visit" DESC
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC,
  "c"."priority" DESC,
  "c"."visits" DESC,
  isNaN("c"."last_visit") DESC,
  "c"."last_visit" DESC;
-- spark, without ASOF
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS `user_id`,
    CAST('a1' AS STRING) AS `shop_id`,
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    (
      CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`observed_at`)
    ) AS `__event`,
    `v`.`loaded_at` AS `__created`,
    CASE
      WHEN `v`.`observed_at` IS NOT NULL AND `v`.`loaded_at` IS NOT NULL
      THEN GREATEST(
        (
          CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`observed_at`)
        ) + INTERVAL '1' HOUR,
        `v`.`loaded_at`
      )
    END AS `__usable_from`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__valid_to`,
    `v`.`visits`,
    `v`.`last_visit`,
    `v`.`observed_at`,
    `v`.`loaded_at`,
    `v`.`priority`
  FROM `__spine` AS `s`
  JOIN user_in_shop AS `v`
    ON `v`.`user_id` = `s`.`user_id` AND `v`.`shop_id` = `s`.`shop_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
      AND `r`.`__event` >= `r`.`__spine_time` - INTERVAL '7' DAY
      THEN 0
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
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
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 3
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 2
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
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 2
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`visits`,
  `c`.`last_visit`,
  `c`.`observed_at`,
  `c`.`loaded_at`,
  `c`.`priority`
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
  `c`.`loaded_at` DESC NULLS LAST,
  `c`.`priority` DESC NULLS LAST,
  `c`.`visits` DESC NULLS LAST,
  `c`.`last_visit` DESC NULLS LAST;
-- snowflake
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS "user_id",
    CAST('a1' AS VARCHAR) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    CAST(CONVERT_TIMEZONE('UTC', "v"."observed_at") AS TIMESTAMP_NTZ) AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST(
        CAST(CONVERT_TIMEZONE('UTC', "v"."observed_at") AS TIMESTAMP_NTZ) + INTERVAL '1 HOUR',
        "v"."loaded_at"
      )
    END AS "__usable_from",
    CAST(NULL AS TIMESTAMP_NTZ) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7 DAY'
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC NULLS LAST,
  "c"."priority" DESC NULLS LAST,
  "c"."visits" DESC NULLS LAST,
  "c"."last_visit" DESC NULLS LAST;
-- bigquery
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS INT64) AS `user_id`,
    CAST('a1' AS STRING) AS `shop_id`,
    CAST('2024-05-19 12:00:00' AS DATETIME) AS `__spine_time`
), `__rows` AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    DATETIME(`v`.`observed_at`, 'UTC') AS `__event`,
    `v`.`loaded_at` AS `__created`,
    CASE
      WHEN `v`.`observed_at` IS NOT NULL AND `v`.`loaded_at` IS NOT NULL
      THEN GREATEST(DATETIME(`v`.`observed_at`, 'UTC') + INTERVAL 1 HOUR, `v`.`loaded_at`)
    END AS `__usable_from`,
    CAST(NULL AS DATETIME) AS `__valid_to`,
    `v`.`visits`,
    `v`.`last_visit`,
    `v`.`observed_at`,
    `v`.`loaded_at`,
    `v`.`priority`
  FROM `__spine` AS `s`
  JOIN user_in_shop AS `v`
    ON `v`.`user_id` = `s`.`user_id` AND `v`.`shop_id` = `s`.`shop_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
      AND `r`.`__event` >= `r`.`__spine_time` - INTERVAL 7 DAY
      THEN 0
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
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
    `g`.`loaded_at` DESC,
    `g`.`priority` DESC,
    `g`.`visits` DESC,
    IS_NAN(`g`.`last_visit`) DESC,
    `g`.`last_visit` DESC
  LIMIT 3
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC,
    `g`.`loaded_at` DESC,
    `g`.`priority` DESC,
    `g`.`visits` DESC,
    IS_NAN(`g`.`last_visit`) DESC,
    `g`.`last_visit` DESC
  LIMIT 2
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
    `g`.`loaded_at` DESC,
    `g`.`priority` DESC,
    `g`.`visits` DESC,
    IS_NAN(`g`.`last_visit`) DESC,
    `g`.`last_visit` DESC
  LIMIT 2
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`visits`,
  `c`.`last_visit`,
  `c`.`observed_at`,
  `c`.`loaded_at`,
  `c`.`priority`
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
  `c`.`loaded_at` DESC,
  `c`.`priority` DESC,
  `c`.`visits` DESC,
  IS_NAN(`c`.`last_visit`) DESC,
  `c`.`last_visit` DESC;
-- redshift
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS "user_id",
    CAST('a1' AS VARCHAR(MAX)) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."observed_at" AT TIME ZONE 'UTC' AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST("v"."observed_at" AT TIME ZONE 'UTC' + INTERVAL '1 HOUR', "v"."loaded_at")
    END AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7 DAY'
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC NULLS LAST,
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
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
    "g"."loaded_at" DESC NULLS LAST,
    "g"."priority" DESC NULLS LAST,
    "g"."visits" DESC NULLS LAST,
    "g"."last_visit" DESC NULLS LAST
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC NULLS LAST,
  "c"."priority" DESC NULLS LAST,
  "c"."visits" DESC NULLS LAST,
  "c"."last_visit" DESC NULLS LAST;
-- databricks
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS `user_id`,
    CAST('a1' AS STRING) AS `shop_id`,
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    (
      CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
        0,
        0,
        0,
        CAST(CAST(UNIX_MICROS(`v`.`observed_at`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
      )
    ) AS `__event`,
    `v`.`loaded_at` AS `__created`,
    CASE
      WHEN `v`.`observed_at` IS NOT NULL AND `v`.`loaded_at` IS NOT NULL
      THEN GREATEST(
        (
          CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
            0,
            0,
            0,
            CAST(CAST(UNIX_MICROS(`v`.`observed_at`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
          )
        ) + INTERVAL '1' HOUR,
        `v`.`loaded_at`
      )
    END AS `__usable_from`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__valid_to`,
    `v`.`visits`,
    `v`.`last_visit`,
    `v`.`observed_at`,
    `v`.`loaded_at`,
    `v`.`priority`
  FROM `__spine` AS `s`
  JOIN user_in_shop AS `v`
    ON `v`.`user_id` = `s`.`user_id` AND `v`.`shop_id` = `s`.`shop_id`
), `__grouped` AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
      AND `r`.`__event` >= `r`.`__spine_time` - INTERVAL '7' DAY
      THEN 0
      WHEN `r`.`__usable_from` < `r`.`__spine_time`
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
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 3
), `__passed` AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM `__grouped` AS `g`
  WHERE
    `g`.`__group` = 1
  ORDER BY
    `g`.`__event` DESC NULLS LAST,
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 2
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
    `g`.`loaded_at` DESC NULLS LAST,
    `g`.`priority` DESC NULLS LAST,
    `g`.`visits` DESC NULLS LAST,
    `g`.`last_visit` DESC NULLS LAST
  LIMIT 2
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`visits`,
  `c`.`last_visit`,
  `c`.`observed_at`,
  `c`.`loaded_at`,
  `c`.`priority`
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
  `c`.`loaded_at` DESC NULLS LAST,
  `c`.`priority` DESC NULLS LAST,
  `c`.`visits` DESC NULLS LAST,
  `c`.`last_visit` DESC NULLS LAST;
-- trino
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST(2 AS BIGINT) AS "user_id",
    CAST('a1' AS VARCHAR) AS "shop_id",
    CAST('2024-05-19 12:00:00' AS TIMESTAMP(6)) AS "__spine_time"
), "__rows" AS (
  /* P2: user_in_shop: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    CAST(AT_TIMEZONE("v"."observed_at", 'UTC') AS TIMESTAMP(6)) AS "__event",
    "v"."loaded_at" AS "__created",
    CASE
      WHEN "v"."observed_at" IS NOT NULL AND "v"."loaded_at" IS NOT NULL
      THEN GREATEST(
        CAST(AT_TIMEZONE("v"."observed_at", 'UTC') AS TIMESTAMP(6)) + INTERVAL '1' HOUR,
        "v"."loaded_at"
      )
    END AS "__usable_from",
    CAST(NULL AS TIMESTAMP(6)) AS "__valid_to",
    "v"."visits",
    "v"."last_visit",
    "v"."observed_at",
    "v"."loaded_at",
    "v"."priority"
  FROM "__spine" AS "s"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "s"."user_id" AND "v"."shop_id" = "s"."shop_id"
), "__grouped" AS (
  /* 0: may be taken; 1: too old or over (P3); 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE
      WHEN "r"."__usable_from" < "r"."__spine_time"
      AND "r"."__event" >= "r"."__spine_time" - INTERVAL '7' DAY
      THEN 0
      WHEN "r"."__usable_from" < "r"."__spine_time"
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
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    "g"."last_visit" DESC
  LIMIT 3
), "__passed" AS (
  /* the newest of those that are too old or over */
  SELECT
    *
  FROM "__grouped" AS "g"
  WHERE
    "g"."__group" = 1
  ORDER BY
    "g"."__event" DESC,
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    "g"."last_visit" DESC
  LIMIT 2
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
    "g"."loaded_at" DESC,
    "g"."priority" DESC,
    "g"."visits" DESC,
    "g"."last_visit" DESC
  LIMIT 2
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."visits",
  "c"."last_visit",
  "c"."observed_at",
  "c"."loaded_at",
  "c"."priority"
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
  "c"."loaded_at" DESC,
  "c"."priority" DESC,
  "c"."visits" DESC,
  "c"."last_visit" DESC;
