-- A view: of each user, the newest row at or before the example.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_activity: {keys: {user_id: varchar}, time: {observed_at: timestamp}, features: {orders_7d: bigint, spend_7d_usd: double}}
features: [user_activity]
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."user_id" AS "__key_0",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__user_activity" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_row",
    "v"."__key_0",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_row",
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        CAST(NULL AS BIGINT) AS "__spine_row",
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_row",
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_activity" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."orders_7d",
    "r"."spend_7d_usd",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."orders_7d",
      "v"."spend_7d_usd",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
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
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."orders_7d" DESC, isNaN("v"."spend_7d_usd") DESC, "v"."spend_7d_usd" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`
        ORDER BY `t`.`__spine_time` ASC NULLS LAST, `t`.`__side` ASC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_activity AS `v`
        WHERE
          `v`.`observed_at` IS NOT NULL
          AND `v`.`observed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`user_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`orders_7d`,
    `r`.`spend_7d_usd`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`orders_7d`,
      `v`.`spend_7d_usd`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
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
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_activity`.`spend_7d_usd` AS `spend_7d_usd`
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_activity AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."user_id" = "v"."__key_0"
  WHERE
    "v"."__event" IS NOT NULL
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."orders_7d",
    "v"."spend_7d_usd",
    "v"."observed_at"
  FROM "__user_activity__time" AS "m"
  JOIN user_activity AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_activity AS `v`
        WHERE
          `v`.`observed_at` IS NOT NULL
          AND `v`.`observed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`user_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`orders_7d`,
    `r`.`spend_7d_usd`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`orders_7d`,
      `v`.`spend_7d_usd`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`orders_7d` DESC, IS_NAN(`v`.`spend_7d_usd`) DESC, `v`.`spend_7d_usd` DESC
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
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_activity`.`spend_7d_usd` AS `spend_7d_usd`
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
      ) AS "v"
      UNION ALL
      SELECT
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."orders_7d",
    "r"."spend_7d_usd",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."orders_7d",
      "v"."spend_7d_usd",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."spend_7d_usd" DESC NULLS LAST
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
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_activity AS `v`
        WHERE
          `v`.`observed_at` IS NOT NULL
          AND `v`.`observed_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`user_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_activity` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`orders_7d`,
    `v`.`spend_7d_usd`,
    `v`.`observed_at`
  FROM `__user_activity__time` AS `m`
  JOIN user_activity AS `v`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`orders_7d` DESC NULLS LAST, `v`.`spend_7d_usd` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_activity`.`spend_7d_usd` AS `spend_7d_usd`
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
  /* P2: user_activity: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_activity AS "v"
        WHERE
          "v"."observed_at" IS NOT NULL
          AND "v"."observed_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
      ) AS "v"
      UNION ALL
      SELECT
        "s"."user_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_activity" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."orders_7d",
    "r"."spend_7d_usd",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."orders_7d",
      "v"."spend_7d_usd",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."orders_7d" DESC, "v"."spend_7d_usd" DESC
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
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_activity"."spend_7d_usd" AS "spend_7d_usd"
FROM "__spine" AS "s"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
