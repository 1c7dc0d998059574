"""JSON values of pushes become columns of the declared types, or are refused; nothing is rounded, cut or guessed."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.online.json_values import json_value
from featurestore.streams.json_columns import json_column


def column(values, kind):
    return json_column(values, Column(name="c", type=kind))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = {
    "boolean": st.booleans(),
    "int8": st.integers(-128, 127),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "int128": st.integers(-(10**37), 10**37),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "decimal(12,3)": st.decimals(-(10**8), 10**8, places=3),
    "string": TEXTS,
    "bytes": st.binary(max_size=8),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(timezones=st.just(timezone.utc)),
    "uuid": st.uuids().map(str),
    "json": st.just('{"a": [1]}'),
    "list<int64>": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3),
    "list<decimal(9,2)>": st.lists(st.decimals(-100, 100, places=2), max_size=3),
    "list<list<float64>>": st.lists(st.lists(st.floats(), max_size=2), max_size=2),
    "struct<a integer>": st.just({"a": 1}),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_what_an_answer_writes_a_push_reads_back_equal(kind, data):
    """P13: a value that went out as JSON comes in as itself."""
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=5))
    read = column([json_value(value) for value in values], kind).to_pylist()
    assert list(map(plain, read)) == list(map(plain, values))


def plain(value):
    """NaN equals nothing, so it is compared as text."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, list):
        return list(map(plain, value))
    return value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", 1),
        ("boolean", "true"),
        ("int64", 1.5),
        ("int64", "1"),
        ("int64", True),
        ("int64", 2**63),
        ("int8", 128),
        ("uint64", -1),
        ("float64", "x"),
        ("float32", 1e300),
        ("float32", 2**24 + 1),
        ("struct<a integer>", 5),
        ("struct<a integer>", [1]),
        ("map<string, integer>", "a"),
        ("time", "12:30:00.1234567"),
        ("float64", True),
        ("float64", 2**60 + 1),
        ("decimal(5,2)", "1.234"),
        ("decimal(5,2)", 123456),
        ("decimal(5,2)", "NaN"),
        ("decimal(5,2)", True),
        ("string", 1),
        ("string", ["a"]),
        ("bytes", "not base64!"),
        ("date", "2026-01-31T12:00:00"),
        ("date", "31.01.2026"),
        ("time", "noon"),
        ("time", "12:00:00+01:00"),
        ("timestamp", 1_767_225_600),
        ("timestamptz", "yesterday"),
        ("timestamptz", "2026-13-01T00:00:00Z"),
        ("uuid", "no uuid"),
        ("list<int64>", 1),
        ("list<int64>", ["1"]),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_row(kind, value):
    with pytest.raises(UsageError, match=r"column 'c', row 1: expected .*, got "):
        column([None, value], kind)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("int64", 3.0, 3),
        ("float64", 3, 3.0),
        ("float64", "Infinity", math.inf),
        ("decimal(5,2)", 1.5, Decimal("1.50")),
        ("date", "2026-01-31T00:00:00Z", date(2026, 1, 31)),
        ("timestamp", "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10)),
        ("timestamptz", "2026-01-31 12:00:00.5", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=timezone.utc)),
        ("time", "12:30:00.000007", time(12, 30, 0, 7)),
        ("time", "12:30:00.1", time(12, 30, 0, 100_000)),
        ("json", {"a": 1}, '{"a":1}'),
    ],
)
def test_what_data_frames_write_otherwise_is_read_too(kind, value, read):
    assert column([value], kind).to_pylist() == [read]


def test_a_long_value_is_not_repeated_whole():
    with pytest.raises(UsageError) as refused:
        column(["x" * 10_000], "int64")
    assert len(str(refused.value)) < 200


def test_no_rows_still_have_a_type():
    assert column([], "decimal(9,2)").type == pa.decimal128(9, 2)
