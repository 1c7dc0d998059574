"""Value types: what warehouses call them, in our words."""

from __future__ import annotations

import pytest

from featurestore.definitions.types import parse_type


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("DECIMAL(18,3)", "decimal(18,3)"),
        ("numeric( 10 , 2 )", "decimal(10,2)"),
        ("decimal(10)", "decimal(10,0)"),
        ("decimal", "decimal(18,3)"),
        ("decimal()", "decimal(18,3)"),
        ("decimal(,)", "decimal(18,3)"),
        ("character varying(20)", "string"),
        ("enum('a', 'b')", "string"),
        ("double  precision", "float64"),
        ("timestamp(6) with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
        ("INTEGER[]", "list<int32>"),
        ("array<array<string>>", "list<list<string>>"),
        ("DECIMAL(4,1)[3]", "list<decimal(4,1)>"),
        ("geometry", "unknown:geometry"),
    ],
)
def test_a_type_in_our_words(written, ours):
    assert parse_type(written) == ours


def test_a_float_of_duckdb_has_32_bits_and_elsewhere_64():
    assert (parse_type("FLOAT"), parse_type("FLOAT", dialect="postgres")) == ("float32", "float64")


@pytest.mark.parametrize(
    ("dialect", "written", "ours"),
    [
        ("clickhouse", "Int8", "int8"),
        ("clickhouse", "LowCardinality(Nullable(String))", "string"),
        ("clickhouse", "Nullable(DateTime64(6, 'UTC'))", "timestamptz"),
        ("clickhouse", "DateTime", "timestamptz"),
        ("clickhouse", "Date32", "date"),
        ("clickhouse", "Decimal(10, 2)", "decimal(10,2)"),
        ("clickhouse", "Array(Nullable(Int16))", "list<int16>"),
        ("clickhouse", "Tuple(a Int8, b String)", "struct<a int8, b string>"),
        ("clickhouse", "varchar(20)", "string"),
        ("clickhouse", "IPv4", "unknown:ipv4"),
        ("bigquery", "TIMESTAMP", "timestamptz"),
        ("bigquery", "DATETIME", "timestamp"),
        ("bigquery", "NUMERIC", "decimal(38,9)"),
        ("bigquery", "ARRAY<INT64>", "list<int64>"),
        ("databricks", "timestamp", "timestamptz"),
        ("databricks", "timestamp_ntz", "timestamp"),
        ("spark", "timestamp", "timestamptz"),
        ("spark", "array<timestamp>", "list<timestamptz>"),
        ("spark", "timestamp_ntz", "timestamp"),
        ("spark", "float", "float32"),
        ("snowflake", "TIMESTAMP_NTZ(9)", "timestamp"),
        ("snowflake", "TIMESTAMP_TZ(9)", "timestamptz"),
        ("snowflake", "NUMBER", "decimal(38,0)"),
        ("trino", "timestamp(6)", "timestamp"),
        ("trino", "array(varchar(3))", "list<string>"),
        ("redshift", "timestamp", "timestamp"),
    ],
)
def test_a_name_means_what_its_warehouse_means_by_it(dialect, written, ours):
    assert parse_type(written, dialect=dialect) == ours
