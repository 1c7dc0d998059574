-- Few candidates per example: a join in buckets of the ttl, and the greatest event time of each group.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_activity:
    {keys: {user_id: varchar}, time: {observed_at: timestamp}, ttl: 7 days, delay: 1h, created_at: {loaded_at: timestamp}, features: {orders_7d: bigint, spend_7d_usd: double}}
features: ["user_activity:orders_7d"]
strategy: range_argmax
dialects: [duckdb, postgres, clickhouse, "spark, without ASOF", snowflake, bigquery, redshift, databricks, trino]
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    ANY_VALUE("s"."user_id") AS "__key_0",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT
      "e"."__spine_row",
      "e"."user_id",
      "e"."__spine_time",
      COALESCE(EPOCH_US("e"."__spine_time") // 604800000000, 0) AS "__bucket"
    FROM (
      SELECT
        "__spine_row",
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL
    ) AS "e"
    UNION ALL
    SELECT
      "e"."__spine_row",
      "e"."user_id",
      "e"."__spine_time",
      COALESCE(EPOCH_US("e"."__spine_time" - INTERVAL '7' DAY) // 604800000000, 0) AS "__bucket"
    FROM (
      SELECT
        "__spine_row",
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL
    ) AS "e"
  ) AS "s"
  JOIN (
    SELECT
      "r"."__key_0",
      "r"."__usable_from",
      "r"."__event",
      COALESCE(EPOCH_US("r"."__event") // 604800000000, 0) AS "__bucket"
    FROM (
      SELECT
        "v"."user_id" AS "__key_0",
        "v"."observed_at" + INTERVAL '1' HOUR AS "__usable_from",
        "v"."observed_at" AS "__event"
      FROM user_activity AS "v"
      WHERE
        "v"."observed_at" IS NOT NULL
        AND "v"."observed_at" + INTERVAL '1' HOUR <= (
          SELECT
            MAX("__spine_time")
          FROM "__spine"
        )
        AND "v"."observed_at" >= (
          SELECT
            MIN("__spine_time")
          FROM "__spine"
        ) - INTERVAL '7' DAY
    ) AS "r"
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "s"."__bucket" = "v"."__bucket"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7' DAY
  GROUP BY
    "s"."__spine_row"
), "__user_activity" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."__spine_row" = "__user_activity"."__spine_row";
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."user_id" AS "__key_0",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT
      "e"."__spine_row",
      "e"."user_id",
      "e"."__spine_time",
      DATE_BIN(INTERVAL '7 DAY', "e"."__spine_time", CAST('1970-01-01' AS TIMESTAMP)) AS "__bucket"
    FROM (
      SELECT
        "__spine_row",
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL
    ) AS "e"
    UNION ALL
    SELECT
      "e"."__spine_row",
      "e"."user_id",
      "e"."__spine_time",
      DATE_BIN(
        INTERVAL '7 DAY',
        "e"."__spine_time" - INTERVAL '7 DAY',
        CAST('1970-01-01' AS TIMESTAMP)
      ) AS "__bucket"
    FROM (
      SELECT
        "__spine_row",
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL
    ) AS "e"
  ) AS "s"
  JOIN (
    SELECT
      "r"."__key_0",
      "r"."__usable_from",
      "r"."__event",
      DATE_BIN(INTERVAL '7 DAY', "r"."__event", CAST('1970-01-01' AS TIMESTAMP)) AS "__bucket"
    FROM (
      SELECT
        "v"."user_id" AS "__key_0",
        "v"."observed_at" + INTERVAL '1 HOUR' AS "__usable_from",
        "v"."observed_at" AS "__event"
      FROM user_activity AS "v"
      WHERE
        "v"."observed_at" IS NOT NULL
        AND "v"."observed_at" + INTERVAL '1 HOUR' <= (
          SELECT
            MAX("__spine_time")
          FROM "__spine"
        )
        AND "v"."observed_at" >= (
          SELECT
            MIN("__spine_time")
          FROM "__spine"
        ) - INTERVAL '7 DAY'
    ) AS "r"
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "s"."__bucket" = "v"."__bucket"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7 DAY'
  GROUP BY
    "s"."__spine_row",
    "s"."user_id"
), "__user_activity" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."orders_7d",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."orders_7d",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
      ) AS "__rank"
    FROM "__user_activity__time" AS "m"
    JOIN user_activity AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."__spine_row" = "__user_activity"."__spine_row";
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" + INTERVAL '1' HOUR AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1' HOUR <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7' DAY
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7' DAY
  GROUP BY
    "s"."user_id",
    "s"."__spine_time"
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."loaded_at" DESC, "v"."orders_7d" DESC, isNaN("v"."spend_7d_usd") DESC, "v"."spend_7d_usd" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
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
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    `s`.`user_id` AS `__key_0`,
    `s`.`__spine_time`,
    MAX(`v`.`__event`) AS `__event`
  FROM (
    SELECT
      `e`.`user_id`,
      `e`.`__spine_time`,
      TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ), `e`.`__spine_time`) DIV 604800000000 AS `__bucket`
    FROM (
      SELECT DISTINCT
        `user_id`,
        `__spine_time`
      FROM `__spine`
      WHERE
        `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
    ) AS `e`
    UNION ALL
    SELECT
      `e`.`user_id`,
      `e`.`__spine_time`,
      TIMESTAMPDIFF(
        MICROSECOND,
        CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ),
        `e`.`__spine_time` - INTERVAL '7' DAY
      ) DIV 604800000000 AS `__bucket`
    FROM (
      SELECT DISTINCT
        `user_id`,
        `__spine_time`
      FROM `__spine`
      WHERE
        `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
    ) AS `e`
  ) AS `s`
  JOIN (
    SELECT
      `r`.`__key_0`,
      `r`.`__usable_from`,
      `r`.`__event`,
      TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ), `r`.`__event`) DIV 604800000000 AS `__bucket`
    FROM (
      SELECT
        `v`.`user_id` AS `__key_0`,
        `v`.`observed_at` + INTERVAL '1' HOUR AS `__usable_from`,
        `v`.`observed_at` AS `__event`
      FROM user_activity AS `v`
      WHERE
        `v`.`observed_at` IS NOT NULL
        AND `v`.`observed_at` + INTERVAL '1' HOUR <= (
          SELECT
            MAX(`__spine_time`)
          FROM `__spine`
        )
        AND `v`.`observed_at` >= (
          SELECT
            MIN(`__spine_time`)
          FROM `__spine`
        ) - INTERVAL '7' DAY
    ) AS `r`
  ) AS `v`
    ON `s`.`user_id` = `v`.`__key_0`
    AND `s`.`__bucket` = `v`.`__bucket`
    AND `v`.`__usable_from` <= `s`.`__spine_time`
    AND `v`.`__event` >= `s`.`__spine_time` - INTERVAL '7' DAY
  GROUP BY
    `s`.`user_id`,
    `s`.`__spine_time`
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`orders_7d`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`orders_7d`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`loaded_at` DESC NULLS LAST, `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
      ) AS `__rank`
    FROM `__user_activity__time` AS `m`
    JOIN user_activity AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_activity`.`orders_7d` AS `orders_7d`
FROM `__spine` AS `s`
LEFT JOIN `__user_activity`
  ON `s`.`user_id` = `__user_activity`.`__key_0`
  AND `s`.`__spine_time` = `__user_activity`.`__spine_time`;
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" + INTERVAL '1 HOUR' AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1 HOUR' <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7 DAY'
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7 DAY'
  GROUP BY
    "s"."user_id",
    "s"."__spine_time"
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
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
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    `s`.`user_id` AS `__key_0`,
    `s`.`__spine_time`,
    MAX(`v`.`__event`) AS `__event`
  FROM (
    SELECT DISTINCT
      `user_id`,
      `__spine_time`
    FROM `__spine`
    WHERE
      `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
  ) AS `s`
  JOIN (
    SELECT
      `v`.`user_id` AS `__key_0`,
      `v`.`observed_at` + INTERVAL 1 HOUR AS `__usable_from`,
      `v`.`observed_at` AS `__event`
    FROM user_activity AS `v`
    WHERE
      `v`.`observed_at` IS NOT NULL
      AND `v`.`observed_at` + INTERVAL 1 HOUR <= (
        SELECT
          MAX(`__spine_time`)
        FROM `__spine`
      )
      AND `v`.`observed_at` >= (
        SELECT
          MIN(`__spine_time`)
        FROM `__spine`
      ) - INTERVAL 7 DAY
  ) AS `v`
    ON `s`.`user_id` = `v`.`__key_0`
    AND `v`.`__usable_from` <= `s`.`__spine_time`
    AND `v`.`__event` >= `s`.`__spine_time` - INTERVAL 7 DAY
  GROUP BY
    `s`.`user_id`,
    `s`.`__spine_time`
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`orders_7d`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`orders_7d`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`loaded_at` DESC, `v`.`orders_7d` DESC, IS_NAN(`v`.`spend_7d_usd`) DESC, `v`.`spend_7d_usd` DESC
      ) AS `__rank`
    FROM `__user_activity__time` AS `m`
    JOIN user_activity AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_activity`.`orders_7d` AS `orders_7d`
FROM `__spine` AS `s`
LEFT JOIN `__user_activity`
  ON `s`.`user_id` = `__user_activity`.`__key_0`
  AND `s`.`__spine_time` = `__user_activity`.`__spine_time`;
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" + INTERVAL '1 HOUR' AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1 HOUR' <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7 DAY'
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7 DAY'
  GROUP BY
    "s"."user_id",
    "s"."__spine_time"
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."orders_7d",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."orders_7d",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."loaded_at" DESC NULLS LAST, "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
      ) AS "__rank"
    FROM "__user_activity__time" AS "m"
    JOIN user_activity AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
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
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    `s`.`user_id` AS `__key_0`,
    `s`.`__spine_time`,
    MAX(`v`.`__event`) AS `__event`
  FROM (
    SELECT DISTINCT
      `user_id`,
      `__spine_time`
    FROM `__spine`
    WHERE
      `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
  ) AS `s`
  JOIN (
    SELECT
      `v`.`user_id` AS `__key_0`,
      `v`.`observed_at` + INTERVAL '1' HOUR AS `__usable_from`,
      `v`.`observed_at` AS `__event`
    FROM user_activity AS `v`
    WHERE
      `v`.`observed_at` IS NOT NULL
      AND `v`.`observed_at` + INTERVAL '1' HOUR <= (
        SELECT
          MAX(`__spine_time`)
        FROM `__spine`
      )
      AND `v`.`observed_at` >= (
        SELECT
          MIN(`__spine_time`)
        FROM `__spine`
      ) - INTERVAL '7' DAY
  ) AS `v`
    ON `s`.`user_id` = `v`.`__key_0`
    AND `v`.`__usable_from` <= `s`.`__spine_time`
    AND `v`.`__event` >= `s`.`__spine_time` - INTERVAL '7' DAY
  GROUP BY
    `s`.`user_id`,
    `s`.`__spine_time`
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`orders_7d`,
    `v`.`observed_at`
  FROM `__user_activity__time` AS `m`
  JOIN user_activity AS `v`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`loaded_at` DESC NULLS LAST, `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_activity`.`orders_7d` AS `orders_7d`
FROM `__spine` AS `s`
LEFT JOIN `__user_activity`
  ON `s`.`user_id` = `__user_activity`.`__key_0`
  AND `s`.`__spine_time` = `__user_activity`.`__spine_time`;
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
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P7: usable 1h after its event; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    MAX("v"."__event") AS "__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" + INTERVAL '1' HOUR AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" + INTERVAL '1' HOUR <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7' DAY
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "v"."__usable_from" <= "s"."__spine_time"
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7' DAY
  GROUP BY
    "s"."user_id",
    "s"."__spine_time"
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."orders_7d",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."orders_7d",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."loaded_at" DESC, "v"."orders_7d" DESC, "v"."spend_7d_usd" DESC
      ) AS "__rank"
    FROM "__user_activity__time" AS "m"
    JOIN user_activity AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
