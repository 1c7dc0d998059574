-- test_examples_are_inserted_into_a_table_that_goes_with_the_connection
CREATE TABLE "lake"."features"."featurestore_examples_<hex>" ("user id" VARCHAR, "labelled_at" TIMESTAMP(6), "seen_at" TIMESTAMP(6) WITH TIME ZONE, "day" DATE, "price" DECIMAL(3, 2), "score" DOUBLE, "is_new" BOOLEAN, "raw" VARBINARY)
INSERT INTO "lake"."features"."featurestore_examples_<hex>" ("user id", "labelled_at", "seen_at", "day", "price", "score", "is_new", "raw") VALUES ('a''b', TIMESTAMP '1970-01-01 00:00:00.000001', TIMESTAMP '1970-01-01 00:00:00.000000 UTC', DATE '2024-05-17', CAST('1.50' AS DECIMAL(3, 2)), 0.1e0, TRUE, X'00ff'), (NULL, NULL, NULL, NULL, NULL, CAST('NaN' AS DOUBLE), NULL, NULL)
    => {"columns": [["rows", "bigint"]], "rows": [[2]]}
SELECT count(*) AS n FROM "lake"."features"."featurestore_examples_<hex>"
    => {"columns": [["n", "bigint"]], "rows": [[2]]}
DROP TABLE IF EXISTS "lake"."features"."featurestore_examples_<hex>"

-- test_rows_become_arrow_with_the_types_that_trino_says
SELECT * FROM t
    => {"columns": [["x", "bigint"], ["at", "timestamp(6)"], ["seen_at", "timestamp(3) with time zone"], ["price", "decimal(10,2)"], ["tags", "array(varchar)"], ["extra", "json"]], "rows": [[1, "2024-05-17T12:00:00.000001", "2024-05-17T17:30:00+05:30", "decimal 1.50", ["a"], {"a": 1}], [null, null, null, null, null, null]]}

-- test_columns_of_several_catalogs_come_at_once
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'missing') OR (table_schema = 'features' AND table_name = 'orders') UNION SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "other".information_schema.columns WHERE (table_schema = 's' AND table_name = 't') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "varchar"]], "rows": [["lake", "features", "orders", 1, "id", "bigint"], ["lake", "features", "orders", 2, "at", "timestamp(6)"], ["other", "s", "t", 1, "x", "varchar(3)"]]}

-- test_a_schema_is_prepared_and_not_run
DESCRIBE SELECT 1.5 AS x
    => {"columns": [["x", "decimal(2,1)"]]}

-- test_tables_are_written_in_one_statement
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'new') ORDER BY 1, 2, 3, 4
CREATE TABLE new AS SELECT 1 AS x
    => {"columns": [["rows", "bigint"]], "rows": [[1]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "varchar"]], "rows": [["lake", "features", "old", 1, "x", "bigint"]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "varchar"]], "rows": [["lake", "features", "old", 1, "x", "bigint"]]}
CREATE OR REPLACE TABLE old AS SELECT 1 AS x
    => {"columns": [["rows", "bigint"]], "rows": [[2]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "varchar"]], "rows": [["lake", "features", "old", 1, "x", "bigint"]]}
DESCRIBE SELECT 1 AS x
    => {"columns": [["x", "integer"]]}
INSERT INTO old ("x") SELECT 1 AS x
    => {"columns": [["rows", "bigint"]], "rows": [[3]]}
SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type FROM "lake".information_schema.columns WHERE (table_schema = 'features' AND table_name = 'old') ORDER BY 1, 2, 3, 4
    => {"columns": [["a", "varchar"]], "rows": [["lake", "features", "old", 1, "x", "bigint"]]}

-- test_a_missing_table_says_to_build
SELECT * FROM nope
    => {"error": "TrinoUserError(type=USER_ERROR, name=TABLE_NOT_FOUND, message=\"line 1:15: Table 'lake.features.nope' does not exist\")"}

-- test_ctrl_c_cancels_the_query

-- test_what_abandon_gives_up_is_cancelled
SELECT 1 AS x
    => {"columns": [["x", "integer"]], "rows": [[1]]}
