-- A key of two columns, and a second view on one of them.
/*
spine:
  sql: select user_id, shop_id, asked_at from requests
  from: {requests: {user_id: bigint, shop_id: varchar, asked_at: timestamp}}
  time: asked_at
views:
  user_in_shop:
    {keys: {user_id: bigint, shop_id: varchar}, time: {observed_at: timestamp}, features: {visits: bigint}}
  shop: {keys: {shop_id: varchar}, time: {observed_at: timestamp}, features: {is_open: boolean}}
features: ["user_in_shop:visits", "shop:is_open"]
*/
-- duckdb
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."user_id" AS "__key_0",
    "s"."shop_id" AS "__key_1",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "user_id",
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."shop_id" AS "__key_1",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_in_shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "s"."shop_id" = "v"."__key_1"
    AND "s"."__spine_time" >= "v"."__usable_from"
), "__user_in_shop" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."visits",
    "v"."observed_at"
  FROM "__user_in_shop__time" AS "m"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "m"."__key_0"
    AND "v"."shop_id" = "m"."__key_1"
    AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."visits" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."shop_id" AS "__key_0",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."shop_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."shop_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__shop" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."is_open",
    "v"."observed_at"
  FROM "__shop__time" AS "m"
  JOIN shop AS "v"
    ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."is_open" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."__spine_row" = "__user_in_shop"."__spine_row"
LEFT JOIN "__shop"
  ON "s"."__spine_row" = "__shop"."__spine_row";
-- postgres
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__spine_row",
    "v"."__key_0",
    "v"."__key_1",
    "v"."__event"
  FROM (
    SELECT
      "t"."__spine_row",
      "t"."__key_0",
      "t"."__key_1",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0", "t"."__key_1"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        CAST(NULL AS BIGINT) AS "__spine_row",
        "v"."__key_0",
        "v"."__key_1",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."shop_id" AS "__key_1",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_in_shop AS "v"
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
        "s"."shop_id" AS "__key_1",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "user_id",
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_in_shop" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."visits",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."visits",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."visits" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__user_in_shop__time" AS "m"
    JOIN user_in_shop AS "v"
      ON "v"."user_id" = "m"."__key_0"
      AND "v"."shop_id" = "m"."__key_1"
      AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          "v"."shop_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM shop AS "v"
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
        "s"."shop_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__shop" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."is_open",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."is_open",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."is_open" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__shop__time" AS "m"
    JOIN shop AS "v"
      ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."__spine_row" = "__user_in_shop"."__spine_row"
LEFT JOIN "__shop"
  ON "s"."__spine_row" = "__shop"."__spine_row";
-- clickhouse
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."shop_id" AS "__key_1",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL AND "shop_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."shop_id" AS "__key_1",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_in_shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0"
    AND "s"."shop_id" = "v"."__key_1"
    AND "s"."__spine_time" >= "v"."__usable_from"
), "__user_in_shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__key_1",
    "m"."__spine_time",
    "v"."visits",
    "v"."observed_at"
  FROM "__user_in_shop__time" AS "m"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "m"."__key_0"
    AND "v"."shop_id" = "m"."__key_1"
    AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__key_1", "m"."__spine_time"
      ORDER BY "v"."visits" DESC, "v"."observed_at" DESC
    ) = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."shop_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "shop_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."shop_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v"
    ON "s"."shop_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
), "__shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."is_open",
    "v"."observed_at"
  FROM "__shop__time" AS "m"
  JOIN shop AS "v"
    ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."is_open" DESC, "v"."observed_at" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."user_id" = "__user_in_shop"."__key_0"
  AND "s"."shop_id" = "__user_in_shop"."__key_1"
  AND "s"."__spine_time" = "__user_in_shop"."__spine_time"
LEFT JOIN "__shop"
  ON "s"."shop_id" = "__shop"."__key_0"
  AND "s"."__spine_time" = "__shop"."__spine_time";
-- spark, without ASOF
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`shop_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS `spine`
), `__user_in_shop__time` AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__key_1`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__key_1`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`, `t`.`__key_1`
        ORDER BY `t`.`__spine_time` ASC NULLS LAST, `t`.`__side` ASC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__key_1`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`shop_id` AS `__key_1`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_in_shop AS `v`
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
        `s`.`shop_id` AS `__key_1`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_in_shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__key_1`,
    `r`.`__spine_time`,
    `r`.`visits`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__key_1`,
      `m`.`__spine_time`,
      `v`.`visits`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__key_1`, `m`.`__spine_time`
        ORDER BY `v`.`visits` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__user_in_shop__time` AS `m`
    JOIN user_in_shop AS `v`
      ON `v`.`user_id` = `m`.`__key_0`
      AND `v`.`shop_id` = `m`.`__key_1`
      AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__shop__time` AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          `v`.`shop_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM shop AS `v`
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
        `s`.`shop_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`is_open`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`is_open`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`is_open` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__shop__time` AS `m`
    JOIN shop AS `v`
      ON `v`.`shop_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`shop_id`,
  `s`.`asked_at`,
  `__user_in_shop`.`visits` AS `visits`,
  `__shop`.`is_open` AS `is_open`
FROM `__spine` AS `s`
LEFT JOIN `__user_in_shop`
  ON `s`.`user_id` = `__user_in_shop`.`__key_0`
  AND `s`.`shop_id` = `__user_in_shop`.`__key_1`
  AND `s`.`__spine_time` = `__user_in_shop`.`__spine_time`
LEFT JOIN `__shop`
  ON `s`.`shop_id` = `__shop`.`__key_0`
  AND `s`.`__spine_time` = `__shop`.`__spine_time`;
-- snowflake
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."shop_id" AS "__key_1",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "user_id",
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL AND "shop_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."user_id" AS "__key_0",
      "v"."shop_id" AS "__key_1",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM user_in_shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."user_id" = "v"."__key_0" AND "s"."shop_id" = "v"."__key_1"
  WHERE
    "v"."__event" IS NOT NULL
), "__user_in_shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__key_1",
    "m"."__spine_time",
    "v"."visits",
    "v"."observed_at"
  FROM "__user_in_shop__time" AS "m"
  JOIN user_in_shop AS "v"
    ON "v"."user_id" = "m"."__key_0"
    AND "v"."shop_id" = "m"."__key_1"
    AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__key_1", "m"."__spine_time"
      ORDER BY "v"."visits" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "s"."shop_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "shop_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "shop_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."shop_id" AS "__key_0",
      "v"."observed_at" AS "__usable_from",
      "v"."observed_at" AS "__event"
    FROM shop AS "v"
    WHERE
      "v"."observed_at" IS NOT NULL
      AND "v"."observed_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."shop_id" = "v"."__key_0"
  WHERE
    "v"."__event" IS NOT NULL
), "__shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."is_open",
    "v"."observed_at"
  FROM "__shop__time" AS "m"
  JOIN shop AS "v"
    ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."is_open" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."user_id" = "__user_in_shop"."__key_0"
  AND "s"."shop_id" = "__user_in_shop"."__key_1"
  AND "s"."__spine_time" = "__user_in_shop"."__spine_time"
LEFT JOIN "__shop"
  ON "s"."shop_id" = "__shop"."__key_0"
  AND "s"."__spine_time" = "__shop"."__spine_time";
-- bigquery
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`shop_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS `spine`
), `__user_in_shop__time` AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__key_1`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__key_1`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`, `t`.`__key_1`
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__key_1`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`shop_id` AS `__key_1`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_in_shop AS `v`
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
        `s`.`shop_id` AS `__key_1`,
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_in_shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__key_1`,
    `r`.`__spine_time`,
    `r`.`visits`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__key_1`,
      `m`.`__spine_time`,
      `v`.`visits`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__key_1`, `m`.`__spine_time`
        ORDER BY `v`.`visits` DESC, `v`.`observed_at` DESC
      ) AS `__rank`
    FROM `__user_in_shop__time` AS `m`
    JOIN user_in_shop AS `v`
      ON `v`.`user_id` = `m`.`__key_0`
      AND `v`.`shop_id` = `m`.`__key_1`
      AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__shop__time` AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          `v`.`shop_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM shop AS `v`
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
        `s`.`shop_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`is_open`,
    `r`.`observed_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`is_open`,
      `v`.`observed_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`is_open` DESC, `v`.`observed_at` DESC
      ) AS `__rank`
    FROM `__shop__time` AS `m`
    JOIN shop AS `v`
      ON `v`.`shop_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`shop_id`,
  `s`.`asked_at`,
  `__user_in_shop`.`visits` AS `visits`,
  `__shop`.`is_open` AS `is_open`
FROM `__spine` AS `s`
LEFT JOIN `__user_in_shop`
  ON `s`.`user_id` = `__user_in_shop`.`__key_0`
  AND `s`.`shop_id` = `__user_in_shop`.`__key_1`
  AND `s`.`__spine_time` = `__user_in_shop`.`__spine_time`
LEFT JOIN `__shop`
  ON `s`.`shop_id` = `__shop`.`__key_0`
  AND `s`.`__spine_time` = `__shop`.`__spine_time`;
-- redshift
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__key_1",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__key_1",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0", "t"."__key_1"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__key_1",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."shop_id" AS "__key_1",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_in_shop AS "v"
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
        "s"."shop_id" AS "__key_1",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL AND "shop_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_in_shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__key_1",
    "r"."__spine_time",
    "r"."visits",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__key_1",
      "m"."__spine_time",
      "v"."visits",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__key_1", "m"."__spine_time"
        ORDER BY "v"."visits" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__user_in_shop__time" AS "m"
    JOIN user_in_shop AS "v"
      ON "v"."user_id" = "m"."__key_0"
      AND "v"."shop_id" = "m"."__key_1"
      AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          "v"."shop_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM shop AS "v"
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
        "s"."shop_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "shop_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."is_open",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."is_open",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."is_open" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__shop__time" AS "m"
    JOIN shop AS "v"
      ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."user_id" = "__user_in_shop"."__key_0"
  AND "s"."shop_id" = "__user_in_shop"."__key_1"
  AND "s"."__spine_time" = "__user_in_shop"."__spine_time"
LEFT JOIN "__shop"
  ON "s"."shop_id" = "__shop"."__key_0"
  AND "s"."__spine_time" = "__shop"."__spine_time";
-- databricks
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`user_id`,
    `spine`.`shop_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS `spine`
), `__user_in_shop__time` AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    `v`.`__key_0`,
    `v`.`__key_1`,
    `v`.`__spine_time`,
    `v`.`__event`
  FROM (
    SELECT
      `t`.`__key_0`,
      `t`.`__key_1`,
      `t`.`__spine_time`,
      `t`.`__side`,
      MAX(`t`.`__event`) OVER (
        PARTITION BY `t`.`__key_0`, `t`.`__key_1`
        ORDER BY `t`.`__spine_time` ASC, `t`.`__side` ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS `__event`
    FROM (
      SELECT
        `v`.`__key_0`,
        `v`.`__key_1`,
        `v`.`__usable_from` AS `__spine_time`,
        `v`.`__event`,
        0 AS `__side`
      FROM (
        SELECT
          `v`.`user_id` AS `__key_0`,
          `v`.`shop_id` AS `__key_1`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM user_in_shop AS `v`
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
        `s`.`shop_id` AS `__key_1`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `user_id`,
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__user_in_shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__key_1`,
    `m`.`__spine_time`,
    `v`.`visits`,
    `v`.`observed_at`
  FROM `__user_in_shop__time` AS `m`
  JOIN user_in_shop AS `v`
    ON `v`.`user_id` = `m`.`__key_0`
    AND `v`.`shop_id` = `m`.`__key_1`
    AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__key_1`, `m`.`__spine_time`
      ORDER BY `v`.`visits` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
    ) = 1
), `__shop__time` AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          `v`.`shop_id` AS `__key_0`,
          `v`.`observed_at` AS `__usable_from`,
          `v`.`observed_at` AS `__event`
        FROM shop AS `v`
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
        `s`.`shop_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `shop_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `shop_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1 AND `v`.`__event` IS NOT NULL
), `__shop` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`is_open`,
    `v`.`observed_at`
  FROM `__shop__time` AS `m`
  JOIN shop AS `v`
    ON `v`.`shop_id` = `m`.`__key_0` AND `v`.`observed_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`is_open` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`shop_id`,
  `s`.`asked_at`,
  `__user_in_shop`.`visits` AS `visits`,
  `__shop`.`is_open` AS `is_open`
FROM `__spine` AS `s`
LEFT JOIN `__user_in_shop`
  ON `s`.`user_id` = `__user_in_shop`.`__key_0`
  AND `s`.`shop_id` = `__user_in_shop`.`__key_1`
  AND `s`.`__spine_time` = `__user_in_shop`.`__spine_time`
LEFT JOIN `__shop`
  ON `s`.`shop_id` = `__shop`.`__key_0`
  AND `s`.`__spine_time` = `__shop`.`__spine_time`;
-- trino
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."user_id",
    "spine"."shop_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      user_id,
      shop_id,
      asked_at
    FROM requests
  ) AS "spine"
), "__user_in_shop__time" AS (
  /* P2: user_in_shop: the newest event time at or before each example; P15: rows that no example can see are not read */
  SELECT
    "v"."__key_0",
    "v"."__key_1",
    "v"."__spine_time",
    "v"."__event"
  FROM (
    SELECT
      "t"."__key_0",
      "t"."__key_1",
      "t"."__spine_time",
      "t"."__side",
      MAX("t"."__event") OVER (
        PARTITION BY "t"."__key_0", "t"."__key_1"
        ORDER BY "t"."__spine_time" ASC, "t"."__side" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "__event"
    FROM (
      SELECT
        "v"."__key_0",
        "v"."__key_1",
        "v"."__usable_from" AS "__spine_time",
        "v"."__event",
        0 AS "__side"
      FROM (
        SELECT
          "v"."user_id" AS "__key_0",
          "v"."shop_id" AS "__key_1",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM user_in_shop AS "v"
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
        "s"."shop_id" AS "__key_1",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "user_id",
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL AND "shop_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__user_in_shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__key_1",
    "r"."__spine_time",
    "r"."visits",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__key_1",
      "m"."__spine_time",
      "v"."visits",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__key_1", "m"."__spine_time"
        ORDER BY "v"."visits" DESC, "v"."observed_at" DESC
      ) AS "__rank"
    FROM "__user_in_shop__time" AS "m"
    JOIN user_in_shop AS "v"
      ON "v"."user_id" = "m"."__key_0"
      AND "v"."shop_id" = "m"."__key_1"
      AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__shop__time" AS (
  /* P2: shop: the newest event time at or before each example; P15: rows that no example can see are not read */
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
          "v"."shop_id" AS "__key_0",
          "v"."observed_at" AS "__usable_from",
          "v"."observed_at" AS "__event"
        FROM shop AS "v"
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
        "s"."shop_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "shop_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "shop_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1 AND "v"."__event" IS NOT NULL
), "__shop" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."is_open",
    "r"."observed_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."is_open",
      "v"."observed_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."is_open" DESC, "v"."observed_at" DESC
      ) AS "__rank"
    FROM "__shop__time" AS "m"
    JOIN shop AS "v"
      ON "v"."shop_id" = "m"."__key_0" AND "v"."observed_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."shop_id",
  "s"."asked_at",
  "__user_in_shop"."visits" AS "visits",
  "__shop"."is_open" AS "is_open"
FROM "__spine" AS "s"
LEFT JOIN "__user_in_shop"
  ON "s"."user_id" = "__user_in_shop"."__key_0"
  AND "s"."shop_id" = "__user_in_shop"."__key_1"
  AND "s"."__spine_time" = "__user_in_shop"."__spine_time"
LEFT JOIN "__shop"
  ON "s"."shop_id" = "__shop"."__key_0"
  AND "s"."__spine_time" = "__shop"."__spine_time";
