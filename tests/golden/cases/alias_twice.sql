-- One view used twice, as origin and as destination, under other join keys.
/*
spine:
  sql: select ride_id, origin_id, destination_id, asked_at from rides
  from: {rides: {ride_id: integer, origin_id: bigint, destination_id: bigint, asked_at: timestamp}}
  time: asked_at
views:
  location: {keys: {location_id: bigint}, time: {measured_at: timestamp}, ttl: 1h, features: {temperature: double}}
features:
  - location[location_id=origin_id] as origin
  - location[location_id=destination_id] as destination
full_feature_names: true
*/
-- duckdb
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."origin_id" AS "__key_0",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "origin_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' HOUR
  ) AS "v"
    ON "s"."origin_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' HOUR
), "__origin" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."temperature",
    "v"."measured_at"
  FROM "__origin__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
    ) = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."__spine_row",
    "s"."destination_id" AS "__key_0",
    "v"."__event"
  FROM (
    SELECT
      "__spine_row",
      "destination_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' HOUR
  ) AS "v"
    ON "s"."destination_id" = "v"."__key_0"
    AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' HOUR
), "__destination" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__spine_row",
    "v"."temperature",
    "v"."measured_at"
  FROM "__destination__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__spine_row"
      ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."__spine_row" = "__origin"."__spine_row"
LEFT JOIN "__destination"
  ON "s"."__spine_row" = "__destination"."__spine_row";
-- postgres
WITH "__spine" AS MATERIALIZED (
  /* P1: one row per example, duplicates kept apart by a number of their own; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    ROW_NUMBER() OVER () AS "__spine_row",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 HOUR'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_row",
        "s"."origin_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "origin_id",
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
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 HOUR'
), "__origin" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__origin__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 HOUR'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."__spine_row",
        "s"."destination_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT
          "__spine_row",
          "destination_id",
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
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 HOUR'
), "__destination" AS MATERIALIZED (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__spine_row",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__spine_row",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__spine_row"
        ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__destination__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."__spine_row" = "__origin"."__spine_row"
LEFT JOIN "__destination"
  ON "s"."__spine_row" = "__destination"."__spine_row";
-- clickhouse
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."origin_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "origin_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "origin_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' HOUR
  ) AS "v"
    ON "s"."origin_id" = "v"."__key_0" AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' HOUR
), "__origin" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."temperature",
    "v"."measured_at"
  FROM "__origin__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY isNaN("v"."temperature") DESC, "v"."temperature" DESC
    ) = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."destination_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "destination_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "destination_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1' HOUR
  ) AS "v"
    ON "s"."destination_id" = "v"."__key_0"
    AND "s"."__spine_time" >= "v"."__usable_from"
  WHERE
    "v"."__event" >= "s"."__spine_time" - INTERVAL '1' HOUR
), "__destination" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."temperature",
    "v"."measured_at"
  FROM "__destination__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY isNaN("v"."temperature") DESC, "v"."temperature" DESC
    ) = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."origin_id" = "__origin"."__key_0"
  AND "s"."__spine_time" = "__origin"."__spine_time"
LEFT JOIN "__destination"
  ON "s"."destination_id" = "__destination"."__key_0"
  AND "s"."__spine_time" = "__destination"."__spine_time";
-- spark, without ASOF
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`ride_id`,
    `spine`.`origin_id`,
    `spine`.`destination_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS `spine`
), `__origin__time` AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`origin_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `origin_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `origin_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' HOUR
), `__origin` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`temperature`,
    `r`.`measured_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`temperature`,
      `v`.`measured_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`temperature` DESC NULLS LAST, `v`.`measured_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__origin__time` AS `m`
    JOIN location AS `v`
      ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__destination__time` AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`destination_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `destination_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `destination_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' HOUR
), `__destination` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`temperature`,
    `r`.`measured_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`temperature`,
      `v`.`measured_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY `v`.`temperature` DESC NULLS LAST, `v`.`measured_at` DESC NULLS LAST
      ) AS `__rank`
    FROM `__destination__time` AS `m`
    JOIN location AS `v`
      ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`ride_id`,
  `s`.`origin_id`,
  `s`.`destination_id`,
  `s`.`asked_at`,
  `__origin`.`temperature` AS `origin__temperature`,
  `__destination`.`temperature` AS `destination__temperature`
FROM `__spine` AS `s`
LEFT JOIN `__origin`
  ON `s`.`origin_id` = `__origin`.`__key_0`
  AND `s`.`__spine_time` = `__origin`.`__spine_time`
LEFT JOIN `__destination`
  ON `s`.`destination_id` = `__destination`.`__key_0`
  AND `s`.`__spine_time` = `__destination`.`__spine_time`;
-- snowflake
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."origin_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "origin_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "origin_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1 HOUR'
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."origin_id" = "v"."__key_0"
  WHERE
    "v"."__event" IS NOT NULL
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '1 HOUR'
), "__origin" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."temperature",
    "v"."measured_at"
  FROM "__origin__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
    ) = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
  SELECT
    "s"."destination_id" AS "__key_0",
    "s"."__spine_time",
    "v"."__event"
  FROM (
    SELECT DISTINCT
      "destination_id",
      "__spine_time"
    FROM "__spine"
    WHERE
      "__spine_time" IS NOT NULL AND "destination_id" IS NOT NULL
  ) AS "s"
  ASOF JOIN (
    SELECT
      "v"."location_id" AS "__key_0",
      "v"."measured_at" AS "__usable_from",
      "v"."measured_at" AS "__event"
    FROM location AS "v"
    WHERE
      "v"."measured_at" IS NOT NULL
      AND "v"."measured_at" <= (
        SELECT
          MAX("__spine_time")
        FROM "__spine"
      )
      AND "v"."measured_at" >= (
        SELECT
          MIN("__spine_time")
        FROM "__spine"
      ) - INTERVAL '1 HOUR'
  ) AS "v" MATCH_CONDITION ("s"."__spine_time" >= "v"."__usable_from")
    ON "s"."destination_id" = "v"."__key_0"
  WHERE
    "v"."__event" IS NOT NULL
    AND "v"."__event" >= "s"."__spine_time" - INTERVAL '1 HOUR'
), "__destination" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "m"."__key_0",
    "m"."__spine_time",
    "v"."temperature",
    "v"."measured_at"
  FROM "__destination__time" AS "m"
  JOIN location AS "v"
    ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY "m"."__key_0", "m"."__spine_time"
      ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
    ) = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."origin_id" = "__origin"."__key_0"
  AND "s"."__spine_time" = "__origin"."__spine_time"
LEFT JOIN "__destination"
  ON "s"."destination_id" = "__destination"."__key_0"
  AND "s"."__spine_time" = "__destination"."__spine_time";
-- bigquery
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`ride_id`,
    `spine`.`origin_id`,
    `spine`.`destination_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS `spine`
), `__origin__time` AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL 1 HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`origin_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `origin_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `origin_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL 1 HOUR
), `__origin` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`temperature`,
    `r`.`measured_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`temperature`,
      `v`.`measured_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY IS_NAN(`v`.`temperature`) DESC, `v`.`temperature` DESC
      ) AS `__rank`
    FROM `__origin__time` AS `m`
    JOIN location AS `v`
      ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
), `__destination__time` AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL 1 HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`destination_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS DATETIME) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `destination_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `destination_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL 1 HOUR
), `__destination` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `r`.`__key_0`,
    `r`.`__spine_time`,
    `r`.`temperature`,
    `r`.`measured_at`
  FROM (
    SELECT
      `m`.`__key_0`,
      `m`.`__spine_time`,
      `v`.`temperature`,
      `v`.`measured_at`,
      ROW_NUMBER() OVER (
        PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
        ORDER BY IS_NAN(`v`.`temperature`) DESC, `v`.`temperature` DESC
      ) AS `__rank`
    FROM `__destination__time` AS `m`
    JOIN location AS `v`
      ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  ) AS `r`
  WHERE
    `r`.`__rank` = 1
)
SELECT
  `s`.`ride_id`,
  `s`.`origin_id`,
  `s`.`destination_id`,
  `s`.`asked_at`,
  `__origin`.`temperature` AS `origin__temperature`,
  `__destination`.`temperature` AS `destination__temperature`
FROM `__spine` AS `s`
LEFT JOIN `__origin`
  ON `s`.`origin_id` = `__origin`.`__key_0`
  AND `s`.`__spine_time` = `__origin`.`__spine_time`
LEFT JOIN `__destination`
  ON `s`.`destination_id` = `__destination`.`__key_0`
  AND `s`.`__spine_time` = `__destination`.`__spine_time`;
-- redshift
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 HOUR'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."origin_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "origin_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "origin_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 HOUR'
), "__origin" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__origin__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1 HOUR'
      ) AS "v"
      UNION ALL
      SELECT
        "s"."destination_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "destination_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "destination_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1 HOUR'
), "__destination" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."temperature" DESC NULLS LAST, "v"."measured_at" DESC NULLS LAST
      ) AS "__rank"
    FROM "__destination__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."origin_id" = "__origin"."__key_0"
  AND "s"."__spine_time" = "__origin"."__spine_time"
LEFT JOIN "__destination"
  ON "s"."destination_id" = "__destination"."__key_0"
  AND "s"."__spine_time" = "__destination"."__spine_time";
-- databricks
WITH `__spine` AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    `spine`.`ride_id`,
    `spine`.`origin_id`,
    `spine`.`destination_id`,
    `spine`.`asked_at`,
    `spine`.`asked_at` AS `__spine_time`
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS `spine`
), `__origin__time` AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`origin_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `origin_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `origin_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' HOUR
), `__origin` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`temperature`,
    `v`.`measured_at`
  FROM `__origin__time` AS `m`
  JOIN location AS `v`
    ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`temperature` DESC NULLS LAST, `v`.`measured_at` DESC NULLS LAST
    ) = 1
), `__destination__time` AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          `v`.`location_id` AS `__key_0`,
          `v`.`measured_at` AS `__usable_from`,
          `v`.`measured_at` AS `__event`
        FROM location AS `v`
        WHERE
          `v`.`measured_at` IS NOT NULL
          AND `v`.`measured_at` <= (
            SELECT
              MAX(`__spine_time`)
            FROM `__spine`
          )
          AND `v`.`measured_at` >= (
            SELECT
              MIN(`__spine_time`)
            FROM `__spine`
          ) - INTERVAL '1' HOUR
      ) AS `v`
      UNION ALL
      SELECT
        `s`.`destination_id` AS `__key_0`,
        `s`.`__spine_time`,
        CAST(NULL AS TIMESTAMP_NTZ) AS `__event`,
        1 AS `__side`
      FROM (
        SELECT DISTINCT
          `destination_id`,
          `__spine_time`
        FROM `__spine`
        WHERE
          `__spine_time` IS NOT NULL AND `destination_id` IS NOT NULL
      ) AS `s`
    ) AS `t`
  ) AS `v`
  WHERE
    `v`.`__side` = 1
    AND `v`.`__event` IS NOT NULL
    AND `v`.`__event` >= `v`.`__spine_time` - INTERVAL '1' HOUR
), `__destination` AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    `m`.`__key_0`,
    `m`.`__spine_time`,
    `v`.`temperature`,
    `v`.`measured_at`
  FROM `__destination__time` AS `m`
  JOIN location AS `v`
    ON `v`.`location_id` = `m`.`__key_0` AND `v`.`measured_at` = `m`.`__event`
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY `m`.`__key_0`, `m`.`__spine_time`
      ORDER BY `v`.`temperature` DESC NULLS LAST, `v`.`measured_at` DESC NULLS LAST
    ) = 1
)
SELECT
  `s`.`ride_id`,
  `s`.`origin_id`,
  `s`.`destination_id`,
  `s`.`asked_at`,
  `__origin`.`temperature` AS `origin__temperature`,
  `__destination`.`temperature` AS `destination__temperature`
FROM `__spine` AS `s`
LEFT JOIN `__origin`
  ON `s`.`origin_id` = `__origin`.`__key_0`
  AND `s`.`__spine_time` = `__origin`.`__spine_time`
LEFT JOIN `__destination`
  ON `s`.`destination_id` = `__destination`.`__key_0`
  AND `s`.`__spine_time` = `__destination`.`__spine_time`;
-- trino
WITH "__spine" AS (
  /* P1: one row per example, duplicates kept; P14: times in UTC */
  SELECT
    "spine"."ride_id",
    "spine"."origin_id",
    "spine"."destination_id",
    "spine"."asked_at",
    "spine"."asked_at" AS "__spine_time"
  FROM (
    SELECT
      ride_id,
      origin_id,
      destination_id,
      asked_at
    FROM rides
  ) AS "spine"
), "__origin__time" AS (
  /* P2: origin: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1' HOUR
      ) AS "v"
      UNION ALL
      SELECT
        "s"."origin_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "origin_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "origin_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1' HOUR
), "__origin" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."temperature" DESC, "v"."measured_at" DESC
      ) AS "__rank"
    FROM "__origin__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
), "__destination__time" AS (
  /* P2: destination: the newest event time at or before each example; P3: not older than 1h; P15: rows that no example can see are not read */
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
          "v"."location_id" AS "__key_0",
          "v"."measured_at" AS "__usable_from",
          "v"."measured_at" AS "__event"
        FROM location AS "v"
        WHERE
          "v"."measured_at" IS NOT NULL
          AND "v"."measured_at" <= (
            SELECT
              MAX("__spine_time")
            FROM "__spine"
          )
          AND "v"."measured_at" >= (
            SELECT
              MIN("__spine_time")
            FROM "__spine"
          ) - INTERVAL '1' HOUR
      ) AS "v"
      UNION ALL
      SELECT
        "s"."destination_id" AS "__key_0",
        "s"."__spine_time",
        CAST(NULL AS TIMESTAMP(6)) AS "__event",
        1 AS "__side"
      FROM (
        SELECT DISTINCT
          "destination_id",
          "__spine_time"
        FROM "__spine"
        WHERE
          "__spine_time" IS NOT NULL AND "destination_id" IS NOT NULL
      ) AS "s"
    ) AS "t"
  ) AS "v"
  WHERE
    "v"."__side" = 1
    AND "v"."__event" IS NOT NULL
    AND "v"."__event" >= "v"."__spine_time" - INTERVAL '1' HOUR
), "__destination" AS (
  /* P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers */
  SELECT
    "r"."__key_0",
    "r"."__spine_time",
    "r"."temperature",
    "r"."measured_at"
  FROM (
    SELECT
      "m"."__key_0",
      "m"."__spine_time",
      "v"."temperature",
      "v"."measured_at",
      ROW_NUMBER() OVER (
        PARTITION BY "m"."__key_0", "m"."__spine_time"
        ORDER BY "v"."temperature" DESC, "v"."measured_at" DESC
      ) AS "__rank"
    FROM "__destination__time" AS "m"
    JOIN location AS "v"
      ON "v"."location_id" = "m"."__key_0" AND "v"."measured_at" = "m"."__event"
  ) AS "r"
  WHERE
    "r"."__rank" = 1
)
SELECT
  "s"."ride_id",
  "s"."origin_id",
  "s"."destination_id",
  "s"."asked_at",
  "__origin"."temperature" AS "origin__temperature",
  "__destination"."temperature" AS "destination__temperature"
FROM "__spine" AS "s"
LEFT JOIN "__origin"
  ON "s"."origin_id" = "__origin"."__key_0"
  AND "s"."__spine_time" = "__origin"."__spine_time"
LEFT JOIN "__destination"
  ON "s"."destination_id" = "__destination"."__key_0"
  AND "s"."__spine_time" = "__destination"."__spine_time";
