-- test_examples_are_inserted_into_a_table_that_goes_with_the_connection
CREATE TABLE `main`.`features`.`featurestore_examples_<hex>` (`user id` STRING, `labelled_at` TIMESTAMP_NTZ, `seen_at` TIMESTAMP) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')
INSERT INTO `main`.`features`.`featurestore_examples_<hex>` (`user id`, `labelled_at`, `seen_at`) VALUES ('a\'b\\', TIMESTAMP_NTZ '1970-01-01 00:00:00.000001', TIMESTAMP '1970-01-01 00:00:00.000001 UTC'), (NULL, NULL, NULL)
SELECT count(*) AS n FROM `main`.`features`.`featurestore_examples_<hex>`
    => {"columns": [["n", "bigint"]], "rows": [[2], [3]]}
DROP TABLE IF EXISTS `main`.`features`.`featurestore_examples_<hex>`

-- test_columns_of_many_relations_come_at_once
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'missing') OR (table_schema = 'features' AND table_name = 'orders') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "orders", 0, "id", "bigint"], ["main", "features", "orders", 1, "at", "timestamp"]]}

-- test_a_schema_is_analysed_and_not_run
DESCRIBE QUERY SELECT 1 AS x
    => {"columns": [["col_name", "string"]], "rows": [["x", "int", null], ["l", "array<bigint>", null]]}

-- test_tables_are_written_in_one_statement
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'new') ORDER BY 1, 2, 3, 4
SET x = 1
CREATE TABLE new AS SELECT 1 AS x
SELECT COUNT(*) FROM new
    => {"columns": [["n", "bigint"]], "rows": [[1]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "new", 0, "x", "bigint"]]}
CREATE OR REPLACE TABLE new AS SELECT 1 AS x
SELECT COUNT(*) FROM new
    => {"columns": [["n", "bigint"]], "rows": [[2]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "new", 0, "x", "bigint"]]}
INSERT INTO new BY NAME SELECT 1 AS x
    => {"columns": [["num_affected_rows", "bigint"], ["num_inserted_rows", "bigint"]], "rows": [[3, 3]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'new') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "new", 0, "day", "date"], ["main", "features", "new", 1, "x", "int"]]}
DESCRIBE QUERY SELECT *, CAST('2024-05-17' AS STRING) AS `day` FROM ( SELECT 1 AS x ) AS `__written`
    => {"columns": [["col_name", "string"]], "rows": [["x", "int", null], ["day", "string", null]]}
INSERT INTO new REPLACE WHERE `day` = '2024-05-17' SELECT q.`day`, q.`x` FROM (SELECT *, CAST('2024-05-17' AS STRING) AS `day` FROM ( SELECT 1 AS x ) AS `__written`) AS q
    => {"columns": [["num_affected_rows", "bigint"], ["num_inserted_rows", "bigint"]], "rows": [[5, 4]]}

-- test_a_table_that_exists_and_a_partition_it_lacks_are_refused
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "old", 0, "x", "bigint"]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "old", 0, "x", "bigint"]]}
DESCRIBE QUERY SELECT *, CAST('1' AS STRING) AS `nope` FROM ( SELECT 1 AS x ) AS `__written`
    => {"columns": [["col_name", "string"]], "rows": [["x", "int", null], ["nope", "string", null]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type FROM `main`.information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "string"]], "rows": [["main", "features", "old", 0, "x", "bigint"]]}
DESCRIBE QUERY SELECT *, CAST('1' AS STRING) AS `x` FROM ( SELECT 1 AS y ) AS `__written`
    => {"columns": [["col_name", "string"]], "rows": [["y", "int", null], ["x", "string", null]]}

-- test_a_missing_table_says_to_build
SELECT * FROM nope
    => {"error": "[TABLE_OR_VIEW_NOT_FOUND] The table or view `nope` cannot be found."}

-- test_an_hour_that_is_there_twice_stays_two
CREATE TABLE `main`.`features`.`featurestore_examples_<hex>` (`seen_at` TIMESTAMP) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')
INSERT INTO `main`.`features`.`featurestore_examples_<hex>` (`seen_at`) VALUES (TIMESTAMP '2024-11-03 05:30:00.000000 UTC'), (TIMESTAMP '2024-11-03 06:30:00.000000 UTC')
DROP TABLE IF EXISTS `main`.`features`.`featurestore_examples_<hex>`
