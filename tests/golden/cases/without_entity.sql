-- A view without entity: the newest row in all.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  exchange_rates: {time: {fixed_at: timestamp}, ttl: 1d, features: {usd_per_eur: double}}
features: [exchange_rates]
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."fixed_at" AS "__usable_from",
      "v"."fixed_at" AS "__event"
    FROM exchange_rates AS "v"
    WHERE
      "v"."fixed_at" IS NOT NULL
      AND "v"."fixed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."fixed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' DAY
  ) AS "v"
    ON "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' DAY
), "__exchange_rates" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."usd_per_eur",
    "v"."fixed_at"
  FROM "__exchange_rates__time" AS "m"
  JOIN exchange_rates AS "v"
    ON "v"."fixed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."usd_per_eur" DESC NULLS LAST, "v"."fixed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_row" = "__exchange_rates"."__spine_row";
-- postgres
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_row",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_row",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        CAST(NULL AS BIGINT) AS "__spine_row",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."fixed_at" AS "__usable_from",
          "v"."fixed_at" AS "__event"
        FROM exchange_rates AS "v"
        WHERE
          "v"."fixed_at" IS NOT NULL
          AND "v"."fixed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."fixed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 DAY'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_row",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
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
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 DAY'
), "__exchange_rates" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."usd_per_eur",
    "r"."fixed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."usd_per_eur",
      "v"."fixed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."usd_per_eur" DESC NULLS LAST, "v"."fixed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__exchange_rates__time" AS "m"
    JOIN exchange_rates AS "v"
      ON "v"."fixed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_row" = "__exchange_rates"."__spine_row";
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "__spine_time",
      1 AS "__one"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."fixed_at" AS "__usable_from",
      "v"."fixed_at" AS "__event",
      1 AS "__one"
    FROM exchange_rates AS "v"
    WHERE
      "v"."fixed_at" IS NOT NULL
      AND "v"."fixed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."fixed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' DAY
  ) AS "v"
    ON "s"."__one" = "v"."__one" AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' DAY
), "__exchange_rates" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_time",
    "v"."usd_per_eur",
    "v"."fixed_at"
  FROM "__exchange_rates__time" AS "m"
  JOIN exchange_rates AS "v"
    ON "v"."fixed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_time"
      ORDER BY isNaN("v"."usd_per_eur") DESC, "v"."usd_per_eur" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_time" = "__exchange_rates"."__spine_time";
-- spark, without ASOF
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`bought`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS `spine`
), `__exchange_rates__time` AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        ORDER BY `t`.`__spine_time` ASC NULLS LAST, `t`.`__side` ASC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`fixed_at` AS `__usable_from`,
          `v`.`fixed_at` AS `__event`
        FROM exchange_rates AS `v`
        WHERE
          `v`.`fixed_at` IS NOT NULL
          AND `v`.`fixed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`fixed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' DAY
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' DAY
), `__exchange_rates` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__spine_time`,
    `r`.`usd_per_eur`,
    `r`.`fixed_at`
  FROM (
    SELECT
      `m`.`__spine_time`,
      `v`.`usd_per_eur`,
      `v`.`fixed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__spine_time`
        ORDER BY `v`.`usd_per_eur` DESC NULLS LAST, `v`.`fixed_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__exchange_rates__time` AS `m`
    JOIN exchange_rates AS `v`
      ON `v`.`fixed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__exchange_rates`.`usd_per_eur` AS `usd_per_eur`
FROM `__spine` AS `s`
LEFT JOIN `__exchange_rates`
  ON `s`.`__spine_time` = `__exchange_rates`.`__spine_time`;
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."fixed_at" AS "__usable_from",
      "v"."fixed_at" AS "__event"
    FROM exchange_rates AS "v"
    WHERE
      "v"."fixed_at" IS NOT NULL
      AND "v"."fixed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."fixed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1 DAY'
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
  WHERE
    "v"."__event" IS NOT NULL
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '1 DAY'
), "__exchange_rates" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_time",
    "v"."usd_per_eur",
    "v"."fixed_at"
  FROM "__exchange_rates__time" AS "m"
  JOIN exchange_rates AS "v"
    ON "v"."fixed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_time"
      ORDER BY "v"."usd_per_eur" DESC NULLS LAST, "v"."fixed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_time" = "__exchange_rates"."__spine_time";
-- bigquery
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`bought`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS `spine`
), `__exchange_rates__time` AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`fixed_at` AS `__usable_from`,
          `v`.`fixed_at` AS `__event`
        FROM exchange_rates AS `v`
        WHERE
          `v`.`fixed_at` IS NOT NULL
          AND `v`.`fixed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`fixed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL 1 DAY
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL 1 DAY
), `__exchange_rates` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__spine_time`,
    `r`.`usd_per_eur`,
    `r`.`fixed_at`
  FROM (
    SELECT
      `m`.`__spine_time`,
      `v`.`usd_per_eur`,
      `v`.`fixed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__spine_time`
        ORDER BY IS_NAN(`v`.`usd_per_eur`) DESC, `v`.`usd_per_eur` DESC
      ) AS `__rank`
    FROM `__exchange_rates__time` AS `m`
    JOIN exchange_rates AS `v`
      ON `v`.`fixed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__exchange_rates`.`usd_per_eur` AS `usd_per_eur`
FROM `__spine` AS `s`
LEFT JOIN `__exchange_rates`
  ON `s`.`__spine_time` = `__exchange_rates`.`__spine_time`;
-- redshift
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."fixed_at" AS "__usable_from",
          "v"."fixed_at" AS "__event"
        FROM exchange_rates AS "v"
        WHERE
          "v"."fixed_at" IS NOT NULL
          AND "v"."fixed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."fixed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 DAY'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
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
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 DAY'
), "__exchange_rates" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_time",
    "r"."usd_per_eur",
    "r"."fixed_at"
  FROM (
    SELECT
      "m"."__spine_time",
      "v"."usd_per_eur",
      "v"."fixed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_time"
        ORDER BY "v"."usd_per_eur" DESC NULLS LAST, "v"."fixed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__exchange_rates__time" AS "m"
    JOIN exchange_rates AS "v"
      ON "v"."fixed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_time" = "__exchange_rates"."__spine_time";
-- databricks
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`bought`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      bought
    FROM labels
  ) AS `spine`
), `__exchange_rates__time` AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`fixed_at` AS `__usable_from`,
          `v`.`fixed_at` AS `__event`
        FROM exchange_rates AS `v`
        WHERE
          `v`.`fixed_at` IS NOT NULL
          AND `v`.`fixed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`fixed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' DAY
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' DAY
), `__exchange_rates` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__spine_time`,
    `v`.`usd_per_eur`,
    `v`.`fixed_at`
  FROM `__exchange_rates__time` AS `m`
  JOIN exchange_rates AS `v`
    ON `v`.`fixed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__spine_time`
      ORDER BY `v`.`usd_per_eur` DESC NULLS LAST, `v`.`fixed_at` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__exchange_rates`.`usd_per_eur` AS `usd_per_eur`
FROM `__spine` AS `s`
LEFT JOIN `__exchange_rates`
  ON `s`.`__spine_time` = `__exchange_rates`.`__spine_time`;
-- trino
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
), "__exchange_rates__time" AS (
  /* P2: exchange_rates: the newest event time at or before each example; P3: not older than 1d; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."fixed_at" AS "__usable_from",
          "v"."fixed_at" AS "__event"
        FROM exchange_rates AS "v"
        WHERE
          "v"."fixed_at" IS NOT NULL
          AND "v"."fixed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."fixed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1' DAY
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
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
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1' DAY
), "__exchange_rates" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_time",
    "r"."usd_per_eur",
    "r"."fixed_at"
  FROM (
    SELECT
      "m"."__spine_time",
      "v"."usd_per_eur",
      "v"."fixed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_time"
        ORDER BY "v"."usd_per_eur" DESC, "v"."fixed_at" DESC
      ) AS "__rank"
    FROM "__exchange_rates__time" AS "m"
    JOIN exchange_rates AS "v"
      ON "v"."fixed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__exchange_rates"."usd_per_eur" AS "usd_per_eur"
FROM "__spine" AS "s"
LEFT JOIN "__exchange_rates"
  ON "s"."__spine_time" = "__exchange_rates"."__spine_time";
