-- Full names keep features and spine columns of one name apart.
/*
spine:
  sql: select user_id, labelled_at, score from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, score: double}}
  time: labelled_at
views:
  clicks: {keys: {user_id: varchar}, time: {observed_at: timestamp}, features: {score: double}}
  orders: {keys: {user_id: varchar}, time: {observed_at: timestamp}, features: {score: double}}
features: ["orders:score", "clicks:score"]
full_feature_names: true
*/
-- duckdb
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM orders AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__orders" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."score",
    "v"."observed_at"
  FROM "__orders__time" AS "m"
  JOIN orders AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM clicks AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__clicks" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."score",
    "v"."observed_at"
  FROM "__clicks__time" AS "m"
  JOIN clicks AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."__spine_row" = "__orders"."__spine_row"
LEFT JOIN "__clicks"
  ON "s"."__spine_row" = "__clicks"."__spine_row";
-- postgres
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS "v"
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
), "__orders" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__orders__time" AS "m"
    JOIN orders AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS "v"
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
), "__clicks" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__clicks__time" AS "m"
    JOIN clicks AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."__spine_row" = "__orders"."__spine_row"
LEFT JOIN "__clicks"
  ON "s"."__spine_row" = "__clicks"."__spine_row";
-- clickhouse
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM orders AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__orders" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."score",
    "v"."observed_at"
  FROM "__orders__time" AS "m"
  JOIN orders AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY isNaN("v"."score") DESC, "v"."score" DESC
    ) = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM clicks AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__clicks" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."score",
    "v"."observed_at"
  FROM "__clicks__time" AS "m"
  JOIN clicks AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY isNaN("v"."score") DESC, "v"."score" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."user_id" = "__orders"."__key_0"
  AND "s"."__spine_time" = "__orders"."__spine_time"
LEFT JOIN "__clicks"
  ON "s"."user_id" = "__clicks"."__key_0"
  AND "s"."__spine_time" = "__clicks"."__spine_time";
-- spark, without ASOF
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`score`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS `spine`
), `__orders__time` AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS `v`
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
), `__orders` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`score`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`score`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`score` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__orders__time` AS `m`
    JOIN orders AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__clicks__time` AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS `v`
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
), `__clicks` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`score`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`score`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`score` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__clicks__time` AS `m`
    JOIN clicks AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`score`,
  `__orders`.`score` AS `orders__score`,
  `__clicks`.`score` AS `clicks__score`
FROM `__spine` AS `s`
LEFT JOIN `__orders`
  ON `s`.`user_id` = `__orders`.`__key_0`
  AND `s`.`__spine_time` = `__orders`.`__spine_time`
LEFT JOIN `__clicks`
  ON `s`.`user_id` = `__clicks`.`__key_0`
  AND `s`.`__spine_time` = `__clicks`.`__spine_time`;
-- snowflake
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM orders AS "v"
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
), "__orders" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."score",
    "v"."observed_at"
  FROM "__orders__time" AS "m"
  JOIN orders AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
    FROM clicks AS "v"
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
), "__clicks" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."score",
    "v"."observed_at"
  FROM "__clicks__time" AS "m"
  JOIN clicks AS "v"
    ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."user_id" = "__orders"."__key_0"
  AND "s"."__spine_time" = "__orders"."__spine_time"
LEFT JOIN "__clicks"
  ON "s"."user_id" = "__clicks"."__key_0"
  AND "s"."__spine_time" = "__clicks"."__spine_time";
-- bigquery
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`score`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS `spine`
), `__orders__time` AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS `v`
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
), `__orders` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`score`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`score`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY IS_NAN(`v`.`score`) DESC, `v`.`score` DESC
      ) AS `__rank`
    FROM `__orders__time` AS `m`
    JOIN orders AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__clicks__time` AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS `v`
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
), `__clicks` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`score`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`score`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY IS_NAN(`v`.`score`) DESC, `v`.`score` DESC
      ) AS `__rank`
    FROM `__clicks__time` AS `m`
    JOIN clicks AS `v`
      ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`score`,
  `__orders`.`score` AS `orders__score`,
  `__clicks`.`score` AS `clicks__score`
FROM `__spine` AS `s`
LEFT JOIN `__orders`
  ON `s`.`user_id` = `__orders`.`__key_0`
  AND `s`.`__spine_time` = `__orders`.`__spine_time`
LEFT JOIN `__clicks`
  ON `s`.`user_id` = `__clicks`.`__key_0`
  AND `s`.`__spine_time` = `__clicks`.`__spine_time`;
-- redshift
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS "v"
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
), "__orders" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__orders__time" AS "m"
    JOIN orders AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS "v"
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
), "__clicks" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."score" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__clicks__time" AS "m"
    JOIN clicks AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."user_id" = "__orders"."__key_0"
  AND "s"."__spine_time" = "__orders"."__spine_time"
LEFT JOIN "__clicks"
  ON "s"."user_id" = "__clicks"."__key_0"
  AND "s"."__spine_time" = "__clicks"."__spine_time";
-- databricks
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`labelled_at`,
    `spine`.`score`,
    `spine`.`labelled_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS `spine`
), `__orders__time` AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS `v`
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
), `__orders` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`score`,
    `v`.`observed_at`
  FROM `__orders__time` AS `m`
  JOIN orders AS `v`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`score` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
    ) = 1
), `__clicks__time` AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS `v`
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
), `__clicks` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`score`,
    `v`.`observed_at`
  FROM `__clicks__time` AS `m`
  JOIN clicks AS `v`
    ON `v`.`user_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`score` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`score`,
  `__orders`.`score` AS `orders__score`,
  `__clicks`.`score` AS `clicks__score`
FROM `__spine` AS `s`
LEFT JOIN `__orders`
  ON `s`.`user_id` = `__orders`.`__key_0`
  AND `s`.`__spine_time` = `__orders`.`__spine_time`
LEFT JOIN `__clicks`
  ON `s`.`user_id` = `__clicks`.`__key_0`
  AND `s`.`__spine_time` = `__clicks`.`__spine_time`;
-- trino
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."labelled_at",
    "spine"."score",
    "spine"."labelled_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      labelled_at,
      score
    FROM labels
  ) AS "spine"
), "__orders__time" AS (
  /* P2: orders: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM orders AS "v"
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
), "__orders" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."score" DESC, "v"."observed_at" DESC
      ) AS "__rank"
    FROM "__orders__time" AS "m"
    JOIN orders AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__clicks__time" AS (
  /* P2: clicks: the newest event time at or before each example; P15: rows that no example can see are not read */
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
        FROM clicks AS "v"
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
), "__clicks" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."score",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."score",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."score" DESC, "v"."observed_at" DESC
      ) AS "__rank"
    FROM "__clicks__time" AS "m"
    JOIN clicks AS "v"
      ON "v"."user_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."score",
  "__orders"."score" AS "orders__score",
  "__clicks"."score" AS "clicks__score"
FROM "__spine" AS "s"
LEFT JOIN "__orders"
  ON "s"."user_id" = "__orders"."__key_0"
  AND "s"."__spine_time" = "__orders"."__spine_time"
LEFT JOIN "__clicks"
  ON "s"."user_id" = "__clicks"."__key_0"
  AND "s"."__spine_time" = "__clicks"."__spine_time";
