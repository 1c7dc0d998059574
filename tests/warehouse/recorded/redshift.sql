-- test_examples_are_inserted_into_a_temporary_table
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
DROP TABLE IF EXISTS pg_temp."__uploaded examples"
CREATE TEMPORARY TABLE "__uploaded examples" ("user id" VARCHAR(MAX), "labelled_at" TIMESTAMP, "seen_at" TIMESTAMPTZ, "score" DOUBLE PRECISION)
INSERT INTO "__uploaded examples" ("user id", "labelled_at", "seen_at", "score") VALUES ('a\'b\\', TIMESTAMP '1970-01-01 00:00:00.000001', TIMESTAMPTZ '1970-01-01 00:00:00.000001 UTC', CAST('Infinity' AS DOUBLE PRECISION)), (NULL, NULL, NULL, 1e-07)

-- test_a_great_spine_is_sent_in_bounded_statements
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}

-- test_rows_become_arrow_and_a_numeric_keeps_its_digits
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT * FROM t
    => {"columns": [["x", 20], ["at", 1114], ["price", 1700], ["name", 1043], ["score", 701]], "rows": [[1, "2024-05-17T12:00:00.000001", "decimal 1.50", "a", 0.5], [null, null, null, null, null]]}

-- test_no_rows_have_columns_all_the_same
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT 1 AS x
    => {"columns": [["x", 23]], "rows": []}

-- test_columns_of_many_relations_come_at_once
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM svv_columns WHERE table_catalog = current_database() AND ((table_schema = 'features' AND table_name = 'missing') OR (table_schema = 'features' AND table_name = 'orders')) ORDER BY 1, 2, ordinal_position
    => {"columns": [["a", 1043]], "rows": [["features", "orders", "id", "bigint", 64, 0], ["features", "orders", "price", "numeric", 10, 2], ["features", "orders", "at", "timestamp without time zone", null, null]]}

-- test_a_schema_is_asked_for_no_row
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT * FROM (SELECT 1 AS x) AS "__query" LIMIT 0
    => {"columns": [["x", 23], ["t", 1184]]}

-- test_tables_are_written_in_one_transaction
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM svv_columns WHERE table_catalog = current_database() AND ((table_schema = 'features' AND table_name = 'new')) ORDER BY 1, 2, ordinal_position
CREATE TEMP TABLE s
BEGIN
CREATE TABLE "featurestore_new_<hex>" AS SELECT 1 AS x
SELECT COUNT(*) FROM "featurestore_new_<hex>"
    => {"columns": [["n", 20]], "rows": [[1]]}
ALTER TABLE "featurestore_new_<hex>" RENAME TO "new"
COMMIT
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM svv_columns WHERE table_catalog = current_database() AND ((table_schema = 'features' AND table_name = 'new')) ORDER BY 1, 2, ordinal_position
    => {"columns": [["a", 1043]], "rows": [["features", "new", "day", "date", null, null], ["features", "new", "x", "integer", 32, 0]]}
BEGIN
CREATE TABLE "featurestore_new_<hex>" AS SELECT 1 AS x
SELECT COUNT(*) FROM "featurestore_new_<hex>"
    => {"columns": [["n", 20]], "rows": [[2]]}
DROP TABLE new
ALTER TABLE "featurestore_new_<hex>" RENAME TO "new"
COMMIT
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM svv_columns WHERE table_catalog = current_database() AND ((table_schema = 'features' AND table_name = 'new')) ORDER BY 1, 2, ordinal_position
    => {"columns": [["a", 1043]], "rows": [["features", "new", "day", "date", null, null], ["features", "new", "x", "integer", 32, 0]]}
SELECT * FROM (SELECT *, CAST('2024-05-17' AS VARCHAR(MAX)) AS "day" FROM ( SELECT 1 AS x ) AS "__written") AS "__query" LIMIT 0
    => {"columns": [["x", 23], ["day", 1043]]}
BEGIN
CREATE TABLE "featurestore_new_<hex>" AS SELECT *, CAST('2024-05-17' AS VARCHAR(MAX)) AS "day" FROM ( SELECT 1 AS x ) AS "__written"
SELECT COUNT(*) FROM "featurestore_new_<hex>"
    => {"columns": [["n", 20]], "rows": [[3]]}
DELETE FROM new WHERE "day" = '2024-05-17'
INSERT INTO new ("x", "day") SELECT "x", "day" FROM "featurestore_new_<hex>"
DROP TABLE "featurestore_new_<hex>"
COMMIT

-- test_what_fails_in_between_is_rolled_back
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale FROM svv_columns WHERE table_catalog = current_database() AND ((table_schema = 'features' AND table_name = 'new')) ORDER BY 1, 2, ordinal_position
BEGIN
CREATE TABLE "featurestore_new_<hex>" AS SELECT 1 AS x
    => {"error": "disk full"}
ROLLBACK

-- test_a_missing_table_says_to_build
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
SELECT * FROM nope
    => {"error": "{'S': 'ERROR', 'C': '42P01', 'M': 'relation \"nope\" does not exist'}"}

-- test_ctrl_c_cancels_the_process_over_another_connection
SET timezone TO 'UTC'
SELECT pg_backend_pid()
    => {"columns": [["pid", 23]], "rows": [[77]]}
