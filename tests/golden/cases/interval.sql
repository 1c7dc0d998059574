-- A dbt snapshot: the row that was valid at the time of the example.
/*
spine:
  sql: select user_id, labelled_at, bought from labels
  from: {labels: {user_id: varchar, labelled_at: timestamp, bought: boolean}}
  time: labelled_at
views:
  user_plan:
    keys: {user_id: varchar}
    time: {dbt_valid_from: timestamp}
    valid_to: {dbt_valid_to: timestamp}
    features: {plan: varchar, seats: bigint}
features: [user_plan]
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
    "v"."seats",
    "v"."dbt_valid_from"
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
    AND "v"."dbt_valid_from" <= "s"."__spine_time"
    AND (
      "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."__spine_row"
      ORDER BY "v"."dbt_valid_from" DESC NULLS LAST, CAST("v"."plan" AS TEXT) DESC NULLS LAST, "v"."seats" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."__spine_row" = "__user_plan"."__spine_row";
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
    "r"."seats",
    "r"."dbt_valid_from"
  FROM (
    SELECT
      "s"."__spine_row",
      "v"."plan",
      "v"."seats",
      "v"."dbt_valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."__spine_row"
        ORDER BY "v"."dbt_valid_from" DESC NULLS LAST, CAST("v"."plan" AS TEXT) COLLATE "C" DESC NULLS LAST, "v"."seats" DESC NULLS LAST
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
      AND "v"."dbt_valid_from" <= "s"."__spine_time"
      AND (
        "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."__spine_row" = "__user_plan"."__spine_row";
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
    "v"."seats",
    "v"."dbt_valid_from"
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
    AND "v"."dbt_valid_from" <= "s"."__spine_time"
    AND (
      "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."user_id", "s"."__spine_time"
      ORDER BY "v"."dbt_valid_from" DESC, CAST("v"."plan" AS Nullable(String)) DESC, "v"."seats" DESC
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time";
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
    `r`.`seats`,
    `r`.`dbt_valid_from`
  FROM (
    SELECT
      `s`.`user_id` AS `__key_0`,
      `s`.`__spine_time`,
      `v`.`plan`,
      `v`.`seats`,
      `v`.`dbt_valid_from`,
      ROW_NUMBER() OVER (
        PARTITION BY `s`.`user_id`, `s`.`__spine_time`
        ORDER BY `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`plan` DESC NULLS LAST, `v`.`seats` DESC NULLS LAST
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
      AND `v`.`dbt_valid_from` <= `s`.`__spine_time`
      AND (
        `v`.`dbt_valid_to` IS NULL OR `s`.`__spine_time` < `v`.`dbt_valid_to`
      )
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_plan`.`plan` AS `plan`,
  `__user_plan`.`seats` AS `seats`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`;
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
    "v"."seats",
    "v"."dbt_valid_from"
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
    AND "v"."dbt_valid_from" <= "s"."__spine_time"
    AND (
      "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "s"."user_id", "s"."__spine_time"
      ORDER BY "v"."dbt_valid_from" DESC NULLS LAST, "v"."plan" DESC NULLS LAST, "v"."seats" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time";
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
    `r`.`seats`,
    `r`.`dbt_valid_from`
  FROM (
    SELECT
      `s`.`user_id` AS `__key_0`,
      `s`.`__spine_time`,
      `v`.`plan`,
      `v`.`seats`,
      `v`.`dbt_valid_from`,
      ROW_NUMBER() OVER (
        PARTITION BY `s`.`user_id`, `s`.`__spine_time`
        ORDER BY `v`.`dbt_valid_from` DESC, `v`.`plan` DESC, `v`.`seats` DESC
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
      AND `v`.`dbt_valid_from` <= `s`.`__spine_time`
      AND (
        `v`.`dbt_valid_to` IS NULL OR `s`.`__spine_time` < `v`.`dbt_valid_to`
      )
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_plan`.`plan` AS `plan`,
  `__user_plan`.`seats` AS `seats`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`;
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
    "r"."seats",
    "r"."dbt_valid_from"
  FROM (
    SELECT
      "s"."user_id" AS "__key_0",
      "s"."__spine_time",
      "v"."plan",
      "v"."seats",
      "v"."dbt_valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."user_id", "s"."__spine_time"
        ORDER BY "v"."dbt_valid_from" DESC NULLS LAST, "v"."plan" DESC NULLS LAST, "v"."seats" DESC NULLS LAST
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
      AND "v"."dbt_valid_from" <= "s"."__spine_time"
      AND (
        "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time";
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
    `v`.`seats`,
    `v`.`dbt_valid_from`
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
    AND `v`.`dbt_valid_from` <= `s`.`__spine_time`
    AND (
      `v`.`dbt_valid_to` IS NULL OR `s`.`__spine_time` < `v`.`dbt_valid_to`
    )
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `s`.`user_id`, `s`.`__spine_time`
      ORDER BY `v`.`dbt_valid_from` DESC NULLS LAST, `v`.`plan` DESC NULLS LAST, `v`.`seats` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`user_id`,
  `s`.`labelled_at`,
  `s`.`bought`,
  `__user_plan`.`plan` AS `plan`,
  `__user_plan`.`seats` AS `seats`
FROM `__spine` AS `s`
LEFT JOIN `__user_plan`
  ON `s`.`user_id` = `__user_plan`.`__key_0`
  AND `s`.`__spine_time` = `__user_plan`.`__spine_time`;
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
    "r"."seats",
    "r"."dbt_valid_from"
  FROM (
    SELECT
      "s"."user_id" AS "__key_0",
      "s"."__spine_time",
      "v"."plan",
      "v"."seats",
      "v"."dbt_valid_from",
      ROW_NUMBER() OVER (
        PARTITION BY "s"."user_id", "s"."__spine_time"
        ORDER BY "v"."dbt_valid_from" DESC, "v"."plan" DESC, "v"."seats" DESC
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
      AND "v"."dbt_valid_from" <= "s"."__spine_time"
      AND (
        "v"."dbt_valid_to" IS NULL OR "s"."__spine_time" < "v"."dbt_valid_to"
      )
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."user_id",
  "s"."labelled_at",
  "s"."bought",
  "__user_plan"."plan" AS "plan",
  "__user_plan"."seats" AS "seats"
FROM "__spine" AS "s"
LEFT JOIN "__user_plan"
  ON "s"."user_id" = "__user_plan"."__key_0"
  AND "s"."__spine_time" = "__user_plan"."__spine_time";
