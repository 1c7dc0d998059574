-- Which rows of a view without entity could have answered a moment; without a ttl none is too old.
/*
ask: candidates
views:
  exchange_rates: {time: {quoted_at: timestamp}, features: {eur_usd: double}}
features: [exchange_rates]
example: {keys: {}, at: 2024-05-19 12:00:00, limit: 3}
*/
-- duckdb
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 4
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  "c"."eur_usd" DESC NULLS LAST,
  "c"."quoted_at" DESC NULLS LAST;
-- postgres
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS MATERIALIZED (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 4
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  "c"."eur_usd" DESC NULLS LAST,
  "c"."quoted_at" DESC NULLS LAST;
-- clickhouse
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS Nullable(DateTime64(6, 'UTC'))) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    isNaN("g"."eur_usd") DESC,
    "g"."eur_usd" DESC
  LIMIT 4
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
    isNaN("g"."eur_usd") DESC,
    "g"."eur_usd" DESC
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  isNaN("c"."eur_usd") DESC,
  "c"."eur_usd" DESC;
-- spark, without ASOF
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`quoted_at` AS `__event`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__created`,
    `v`.`quoted_at` AS `__usable_from`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__valid_to`,
    `v`.`eur_usd`,
    `v`.`quoted_at`
  FROM `__spine` AS `s`
  CROSS JOIN exchange_rates AS `v`
), `__grouped` AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE WHEN `r`.`__usable_from` <= `r`.`__spine_time` THEN 0 ELSE 2 END AS `__group`
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
    `g`.`eur_usd` DESC NULLS LAST,
    `g`.`quoted_at` DESC NULLS LAST
  LIMIT 4
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
    `g`.`eur_usd` DESC NULLS LAST,
    `g`.`quoted_at` DESC NULLS LAST
  LIMIT 3
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`eur_usd`,
  `c`.`quoted_at`
FROM (
  SELECT
    *
  FROM `__in_play`
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
  `c`.`eur_usd` DESC NULLS LAST,
  `c`.`quoted_at` DESC NULLS LAST;
-- snowflake
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS TIMESTAMP_NTZ) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS TIMESTAMP_NTZ) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 4
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  "c"."eur_usd" DESC NULLS LAST,
  "c"."quoted_at" DESC NULLS LAST;
-- bigquery
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS DATETIME) AS `__spine_time`
), `__rows` AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`quoted_at` AS `__event`,
    CAST(NULL AS DATETIME) AS `__created`,
    `v`.`quoted_at` AS `__usable_from`,
    CAST(NULL AS DATETIME) AS `__valid_to`,
    `v`.`eur_usd`,
    `v`.`quoted_at`
  FROM `__spine` AS `s`
  CROSS JOIN exchange_rates AS `v`
), `__grouped` AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE WHEN `r`.`__usable_from` <= `r`.`__spine_time` THEN 0 ELSE 2 END AS `__group`
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
    IS_NAN(`g`.`eur_usd`) DESC,
    `g`.`eur_usd` DESC
  LIMIT 4
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
    IS_NAN(`g`.`eur_usd`) DESC,
    `g`.`eur_usd` DESC
  LIMIT 3
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`eur_usd`,
  `c`.`quoted_at`
FROM (
  SELECT
    *
  FROM `__in_play`
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
  IS_NAN(`c`.`eur_usd`) DESC,
  `c`.`eur_usd` DESC;
-- redshift
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS TIMESTAMP) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS TIMESTAMP) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 4
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
    "g"."eur_usd" DESC NULLS LAST,
    "g"."quoted_at" DESC NULLS LAST
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  "c"."eur_usd" DESC NULLS LAST,
  "c"."quoted_at" DESC NULLS LAST;
-- databricks
WITH `__spine` AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP_NTZ) AS `__spine_time`
), `__rows` AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    `s`.`__spine_time`,
    `v`.`quoted_at` AS `__event`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__created`,
    `v`.`quoted_at` AS `__usable_from`,
    CAST(NULL AS TIMESTAMP_NTZ) AS `__valid_to`,
    `v`.`eur_usd`,
    `v`.`quoted_at`
  FROM `__spine` AS `s`
  CROSS JOIN exchange_rates AS `v`
), `__grouped` AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    `r`.*,
    CASE WHEN `r`.`__usable_from` <= `r`.`__spine_time` THEN 0 ELSE 2 END AS `__group`
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
    `g`.`eur_usd` DESC NULLS LAST,
    `g`.`quoted_at` DESC NULLS LAST
  LIMIT 4
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
    `g`.`eur_usd` DESC NULLS LAST,
    `g`.`quoted_at` DESC NULLS LAST
  LIMIT 3
)
SELECT
  `c`.`__group`,
  `n`.`__of_group`,
  `c`.`__event`,
  `c`.`__created`,
  `c`.`__usable_from`,
  `c`.`__valid_to`,
  `c`.`eur_usd`,
  `c`.`quoted_at`
FROM (
  SELECT
    *
  FROM `__in_play`
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
  `c`.`eur_usd` DESC NULLS LAST,
  `c`.`quoted_at` DESC NULLS LAST;
-- trino
WITH "__spine" AS (
  /* the example, its time in UTC */
  SELECT
    CAST('2024-05-19 12:00:00' AS TIMESTAMP(6)) AS "__spine_time"
), "__rows" AS (
  /* P2: exchange_rates: the rows with the example's keys, and from when each is usable */
  SELECT
    "s"."__spine_time",
    "v"."quoted_at" AS "__event",
    CAST(NULL AS TIMESTAMP(6)) AS "__created",
    "v"."quoted_at" AS "__usable_from",
    CAST(NULL AS TIMESTAMP(6)) AS "__valid_to",
    "v"."eur_usd",
    "v"."quoted_at"
  FROM "__spine" AS "s"
  CROSS JOIN exchange_rates AS "v"
), "__grouped" AS (
  /* 0: may be taken; 2: not usable by then (P2, P7, P8) */
  SELECT
    "r".*,
    CASE WHEN "r"."__usable_from" <= "r"."__spine_time" THEN 0 ELSE 2 END AS "__group"
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
    "g"."eur_usd" DESC,
    "g"."quoted_at" DESC
  LIMIT 4
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
    "g"."eur_usd" DESC,
    "g"."quoted_at" DESC
  LIMIT 3
)
SELECT
  "c"."__group",
  "n"."__of_group",
  "c"."__event",
  "c"."__created",
  "c"."__usable_from",
  "c"."__valid_to",
  "c"."eur_usd",
  "c"."quoted_at"
FROM (
  SELECT
    *
  FROM "__in_play"
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
  "c"."eur_usd" DESC,
  "c"."quoted_at" DESC;
