-- test_examples_are_loaded_beside_and_copied_into_a_temporary_table
LOAD shop.features.featurestore_examples_<hex> (user id STRING, labelled_at DATETIME, seen_at TIMESTAMP, price NUMERIC, big NUMERIC)
ALTER TABLE `shop`.`features`.`featurestore_examples_<hex>` SET OPTIONS (expiration_timestamp = TIMESTAMP '<time>')
CREATE OR REPLACE TEMP TABLE `__uploaded examples` AS SELECT * FROM `shop`.`features`.`featurestore_examples_<hex>`
DROP TABLE IF EXISTS `shop`.`features`.`featurestore_examples_<hex>`
CALL BQ.ABORT_SESSION()

-- test_a_load_that_fails_leaves_no_table
LOAD shop.features.featurestore_examples_<hex> (n INT64)
    => {"error": "403 quota exceeded"}
DROP TABLE IF EXISTS `shop`.`features`.`featurestore_examples_<hex>`
CALL BQ.ABORT_SESSION()

-- test_a_column_that_bigquery_has_no_type_for_is_named

-- test_rows_are_streamed_as_arrow
SELECT * FROM t
    => {"columns": [["x", "INTEGER"], ["at", "DATETIME"], ["p", "NUMERIC", "NULLABLE", 10, 2]], "rows": [[1, "2024-05-17T12:00:00.000001", "decimal 1.50"], [null, null, null]]}
CALL BQ.ABORT_SESSION()

-- test_no_rows_have_columns_all_the_same
SELECT 1 AS x
    => {"columns": [["x", "INTEGER"]]}
CALL BQ.ABORT_SESSION()

-- test_columns_of_several_datasets_come_at_once
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM `shop`.`features`.INFORMATION_SCHEMA.COLUMNS WHERE table_name IN ('missing', 'orders') UNION ALL SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM `shop`.`other`.INFORMATION_SCHEMA.COLUMNS WHERE table_name IN ('t') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "STRING"], ["b", "STRING"], ["c", "STRING"], ["d", "INTEGER"], ["e", "STRING"], ["f", "STRING"]], "rows": [["shop", "features", "orders", 1, "id", "INT64"], ["shop", "features", "orders", 2, "at", "TIMESTAMP"], ["shop", "other", "t", 1, "at", "DATETIME"]]}
CALL BQ.ABORT_SESSION()

-- test_a_schema_is_a_dry_run
DRY RUN SELECT 1 AS x
    => {"columns": [["x", "INTEGER"], ["tags", "STRING", "REPEATED"]]}

-- test_tables_are_written_in_one_step
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM `shop`.`features`.INFORMATION_SCHEMA.COLUMNS WHERE table_name IN ('new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "STRING"], ["b", "STRING"], ["c", "STRING"], ["d", "INTEGER"], ["e", "STRING"], ["f", "STRING"]]}
CREATE TEMP TABLE s
CREATE TABLE new AS SELECT 1 AS x
SELECT COUNT(*) FROM new
    => {"columns": [["n", "INTEGER"]], "rows": [[1]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM `shop`.`features`.INFORMATION_SCHEMA.COLUMNS WHERE table_name IN ('new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "STRING"], ["b", "STRING"], ["c", "STRING"], ["d", "INTEGER"], ["e", "STRING"], ["f", "STRING"]], "rows": [["shop", "features", "new", 1, "day", "DATE"], ["shop", "features", "new", 2, "x", "INT64"]]}
CREATE OR REPLACE TABLE new AS SELECT 1 AS x
SELECT COUNT(*) FROM new
    => {"columns": [["n", "INTEGER"]], "rows": [[2]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM `shop`.`features`.INFORMATION_SCHEMA.COLUMNS WHERE table_name IN ('new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "STRING"], ["b", "STRING"], ["c", "STRING"], ["d", "INTEGER"], ["e", "STRING"], ["f", "STRING"]], "rows": [["shop", "features", "new", 1, "day", "DATE"], ["shop", "features", "new", 2, "x", "INT64"]]}
CREATE OR REPLACE TEMP TABLE `__new rows` AS SELECT *, CAST('2024-05-17' AS STRING) AS `day` FROM ( SELECT 1 AS x ) AS `__written`
DRY RUN SELECT * FROM `__new rows`
    => {"columns": [["x", "INTEGER"], ["day", "STRING"]]}
BEGIN BEGIN TRANSACTION; DELETE FROM new WHERE CAST(`day` AS STRING) = '2024-05-17'; INSERT INTO new (`x`, `day`) SELECT `x`, `day` FROM `__new rows`; COMMIT TRANSACTION; EXCEPTION WHEN ERROR THEN ROLLBACK TRANSACTION; RAISE; END
SELECT COUNT(*) FROM `__new rows`
    => {"columns": [["n", "INTEGER"]], "rows": [[3]]}
CALL BQ.ABORT_SESSION()

-- test_a_missing_table_says_to_build
SELECT * FROM nope
    => {"error": "404 Not found: Table shop:features.nope was not found in location EU"}

-- test_ctrl_c_cancels_the_job
SELECT 1
