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
