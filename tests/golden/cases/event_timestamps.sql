-- Event times and found on request tell a NULL value from no row.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_activity: {keys: {user_id: varchar}, time: {observed_at: timestamp}, ttl: 7 days, features: {orders_7d: bigint}}
  user_plan:
    {keys: {user_id: varchar}, time: {valid_from: timestamptz}, valid_to: {valid_until: timestamptz}, features: {plan: varchar}}
features: [user_plan, user_activity]
event_timestamps: true
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
), "__user_plan" AS MATERIALIZED (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "s"."__spine_row",
    "v"."plan",
    "v"."valid_from"
  FROM (
    SELECT
      "__spine_row",
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
    AND "v"."valid_from" AT TIME ZONE 'UTC' <= "s"."__spine_time"
    AND (
      "v"."valid_until" AT TIME ZONE 'UTC' IS NULL
      OR "s"."__spine_time" < "v"."valid_until" AT TIME ZONE 'UTC'
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."__spine_row"
      ORDER BY "v"."valid_from" AT TIME ZONE 'UTC' DESC NULLS LAST, CAST("v"."plan" AS TEXT) DESC NULLS LAST
    ) = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7' DAY
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '7' DAY
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
      ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_row" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_row" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."__spine_row" = "__user_plan"."__spine_row"
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
), "__user_plan" AS MATERIALIZED (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "r"."__spine_row",
    "r"."plan",
    "r"."valid_from"
  FROM (
    SELECT
      "s"."__spine_row",
      "v"."plan",
      "v"."valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."__spine_row"
        ORDER BY "v"."valid_from" AT TIME ZONE 'UTC' DESC NULLS LAST, CAST("v"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST
      ) AS "__rank"
    FROM (
      SELECT
        "__spine_row",
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL
    ) AS "s"
    JOIN user_plan AS "v"
      ON "v"."user_id" = "s"."user_id"
      AND "v"."valid_from" AT TIME ZONE 'UTC' <= "s"."__spine_time"
      AND (
        "v"."valid_until" AT TIME ZONE 'UTC' IS NULL
        OR "s"."__spine_time" < "v"."valid_until" AT TIME ZONE 'UTC'
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7 DAY'
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
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7 DAY'
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
        ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
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
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_row" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_row" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."__spine_row" = "__user_plan"."__spine_row"
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
), "__user_plan" AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    "v"."plan",
    "v"."valid_from"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
    AND CAST("v"."valid_from" AS Nullable(DateTime64(6, 'UTC'))) <= "s"."__spine_time"
    AND (
      CAST("v"."valid_until" AS Nullable(DateTime64(6, 'UTC'))) IS NULL
      OR "s"."__spine_time" < CAST("v"."valid_until" AS Nullable(DateTime64(6, 'UTC')))
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."user_id", "s"."__spine_time"
      ORDER BY CAST("v"."valid_from" AS Nullable(DateTime64(6, 'UTC'))) DESC, CAST("v"."plan" AS Nullable(String)) DESC
    ) = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7' DAY
  ) AS "v"
    ON "s"."user_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '7' DAY
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
      ORDER BY "v"."orders_7d" DESC, "v"."observed_at" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_time" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_time" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time"
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
), `__user_plan` AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`plan`,
    `r`.`valid_from`
  FROM (
    SELECT
      `s`.`user_id` AS `__key_0`,
      `s`.`__spine_time`,
      `v`.`plan`,
      `v`.`valid_from`,
      ROW_NUMBER() OVER (
        PARTITION BY `s`.`user_id`, `s`.`__spine_time`
        ORDER BY (
          CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`valid_from`)
        ) DESC NULLS LAST, `v`.`plan` DESC NULLS LAST
      ) AS `__rank`
    FROM (
      SELECT DISTINCT
        `user_id`,
        `__spine_time`
      FROM `__spine`
      WHERE
        `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
    ) AS `s`
    JOIN user_plan AS `v`
      ON `v`.`user_id` = `s`.`user_id`
      AND (
        CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`valid_from`)
      ) <= `s`.`__spine_time`
      AND (
        (
          CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`valid_until`)
        ) IS NULL
        OR `s`.`__spine_time` < (
          CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + INTERVAL '0.000001' SECOND * UNIX_MICROS(`v`.`valid_until`)
        )
      )
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND `v`.`observed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '7' DAY
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
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '7' DAY
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
        ORDER BY `v`.`orders_7d` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
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
  `__user_plan`.`plan` AS `plan`,
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_plan`.`valid_from` AS `user_plan__event_timestamp`,
  `__user_plan`.`__spine_time` IS NOT NULL AS `user_plan__found`,
  `__user_activity`.`observed_at` AS `user_activity__event_timestamp`,
  `__user_activity`.`__spine_time` IS NOT NULL AS `user_activity__found`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`
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
), "__user_plan" AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "s"."user_id" AS "__key_0",
    "s"."__spine_time",
    "v"."plan",
    "v"."valid_from"
  FROM (
    SELECT DISTINCT
      "user_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
  ) AS "s"
  JOIN user_plan AS "v"
    ON "v"."user_id" = "s"."user_id"
    AND CAST(CONVERT_TIMEZONE('UTC', "v"."valid_from") AS TIMESTAMP_NTZ) <= "s"."__spine_time"
    AND (
      CAST(CONVERT_TIMEZONE('UTC', "v"."valid_until") AS TIMESTAMP_NTZ) IS NULL
      OR "s"."__spine_time" < CAST(CONVERT_TIMEZONE('UTC', "v"."valid_until") AS TIMESTAMP_NTZ)
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."user_id", "s"."__spine_time"
      ORDER BY CAST(CONVERT_TIMEZONE('UTC', "v"."valid_from") AS TIMESTAMP_NTZ) DESC NULLS LAST, "v"."plan" DESC NULLS LAST
    ) = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
      AND "v"."observed_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '7 DAY'
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."user_id" = "v"."__key_0"
  WHERE
    "v"."__event" IS NOT NULL
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '7 DAY'
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
      ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_time" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_time" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time"
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
), `__user_plan` AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`plan`,
    `r`.`valid_from`
  FROM (
    SELECT
      `s`.`user_id` AS `__key_0`,
      `s`.`__spine_time`,
      `v`.`plan`,
      `v`.`valid_from`,
      ROW_NUMBER() OVER (
        PARTITION BY `s`.`user_id`, `s`.`__spine_time`
        ORDER BY DATETIME(`v`.`valid_from`, 'UTC') DESC, `v`.`plan` DESC
      ) AS `__rank`
    FROM (
      SELECT DISTINCT
        `user_id`,
        `__spine_time`
      FROM `__spine`
      WHERE
        `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
    ) AS `s`
    JOIN user_plan AS `v`
      ON `v`.`user_id` = `s`.`user_id`
      AND DATETIME(`v`.`valid_from`, 'UTC') <= `s`.`__spine_time`
      AND (
        DATETIME(`v`.`valid_until`, 'UTC') IS NULL
        OR `s`.`__spine_time` < DATETIME(`v`.`valid_until`, 'UTC')
      )
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND `v`.`observed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL 7 DAY
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
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL 7 DAY
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
        ORDER BY `v`.`orders_7d` DESC, `v`.`observed_at` DESC
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
  `__user_plan`.`plan` AS `plan`,
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_plan`.`valid_from` AS `user_plan__event_timestamp`,
  `__user_plan`.`__spine_time` IS NOT NULL AS `user_plan__found`,
  `__user_activity`.`observed_at` AS `user_activity__event_timestamp`,
  `__user_activity`.`__spine_time` IS NOT NULL AS `user_activity__found`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`
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
), "__user_plan" AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."plan",
    "r"."valid_from"
  FROM (
    SELECT
      "s"."user_id" AS "__key_0",
      "s"."__spine_time",
      "v"."plan",
      "v"."valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."user_id", "s"."__spine_time"
        ORDER BY "v"."valid_from" AT TIME ZONE 'UTC' DESC NULLS LAST, "v"."plan" DESC NULLS LAST
      ) AS "__rank"
    FROM (
      SELECT DISTINCT
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
    ) AS "s"
    JOIN user_plan AS "v"
      ON "v"."user_id" = "s"."user_id"
      AND "v"."valid_from" AT TIME ZONE 'UTC' <= "s"."__spine_time"
      AND (
        "v"."valid_until" AT TIME ZONE 'UTC' IS NULL
        OR "s"."__spine_time" < "v"."valid_until" AT TIME ZONE 'UTC'
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7 DAY'
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
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7 DAY'
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
        ORDER BY "v"."orders_7d" DESC NULLS LAST, "v"."observed_at" DESC NULLS LAST
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
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_time" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_time" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time"
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
), `__user_plan` AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    `s`.`user_id` AS `__key_0`,
    `s`.`__spine_time`,
    `v`.`plan`,
    `v`.`valid_from`
  FROM (
    SELECT DISTINCT
      `user_id`,
      `__spine_time`
    FROM `__spine`
    WHERE
      `__spine_time` IS NOT NULL AND `user_id` IS NOT NULL
  ) AS `s`
  JOIN user_plan AS `v`
    ON `v`.`user_id` = `s`.`user_id`
    AND (
      CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
        0,
        0,
        0,
        CAST(CAST(UNIX_MICROS(`v`.`valid_from`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
      )
    ) <= `s`.`__spine_time`
    AND (
      (
        CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
          0,
          0,
          0,
          CAST(CAST(UNIX_MICROS(`v`.`valid_until`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
        )
      ) IS NULL
      OR `s`.`__spine_time` < (
        CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
          0,
          0,
          0,
          CAST(CAST(UNIX_MICROS(`v`.`valid_until`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
        )
      )
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `s`.`user_id`, `s`.`__spine_time`
      ORDER BY (
        CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ) + MAKE_DT_INTERVAL(
          0,
          0,
          0,
          CAST(CAST(UNIX_MICROS(`v`.`valid_from`) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6))
        )
      ) DESC NULLS LAST, `v`.`plan` DESC NULLS LAST
    ) = 1
), `__user_activity__time` AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND `v`.`observed_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '7' DAY
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
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '7' DAY
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
      ORDER BY `v`.`orders_7d` DESC NULLS LAST, `v`.`observed_at` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_plan`.`plan` AS `plan`,
  `__user_activity`.`orders_7d` AS `orders_7d`,
  `__user_plan`.`valid_from` AS `user_plan__event_timestamp`,
  `__user_plan`.`__spine_time` IS NOT NULL AS `user_plan__found`,
  `__user_activity`.`observed_at` AS `user_activity__event_timestamp`,
  `__user_activity`.`__spine_time` IS NOT NULL AS `user_activity__found`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`
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
), "__user_plan" AS (
  /* P9: user_plan: the row valid at each example's time */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."plan",
    "r"."valid_from"
  FROM (
    SELECT
      "s"."user_id" AS "__key_0",
      "s"."__spine_time",
      "v"."plan",
      "v"."valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."user_id", "s"."__spine_time"
        ORDER BY CAST(AT_TIMEZONE("v"."valid_from", 'UTC') AS TIMESTAMP(6)) DESC, "v"."plan" DESC
      ) AS "__rank"
    FROM (
      SELECT DISTINCT
        "user_id",
        "__spine_time"
      FROM "__spine"
      WHERE
        "__spine_time" IS NOT NULL AND "user_id" IS NOT NULL
    ) AS "s"
    JOIN user_plan AS "v"
      ON "v"."user_id" = "s"."user_id"
      AND CAST(AT_TIMEZONE("v"."valid_from", 'UTC') AS TIMESTAMP(6)) <= "s"."__spine_time"
      AND (
        CAST(AT_TIMEZONE("v"."valid_until", 'UTC') AS TIMESTAMP(6)) IS NULL
        OR "s"."__spine_time" < CAST(AT_TIMEZONE("v"."valid_until", 'UTC') AS TIMESTAMP(6))
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__user_activity__time" AS (
  /* P2: user_activity: the newest event time at or before each example; P3: not older than 7d; P15: rows that no example can see are not read */
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
          AND "v"."observed_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '7' DAY
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
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '7' DAY
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
        ORDER BY "v"."orders_7d" DESC, "v"."observed_at" DESC
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
  "__user_plan"."plan" AS "plan",
  "__user_activity"."orders_7d" AS "orders_7d",
  "__user_plan"."valid_from" AS "user_plan__event_timestamp",
  "__user_plan"."__spine_time" IS NOT NULL AS "user_plan__found",
  "__user_activity"."observed_at" AS "user_activity__event_timestamp",
  "__user_activity"."__spine_time" IS NOT NULL AS "user_activity__found"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time"
LEFT JOIN "__user_activity"
  ON "s"."user_id" = "__user_activity"."__key_0"
  AND "s"."__spine_time" = "__user_activity"."__spine_time";
