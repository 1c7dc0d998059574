"""Fields of events become exactly what pushes of the same values become, whichever way is taken; nothing is guessed."""

from __future__ import annotations

import math
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.views import Column
from featurestore.streams.event_columns import _one_by_one, event_column, value_of_text
from featurestore.streams.schema import event_type

TYPES = (
    "boolean", "int8", "int16", "int32", "int64", "uint8", "uint64", "int128", "float32", "float64", "decimal(10,2)",
    "string", "json", "uuid", "bytes", "date", "time", "timestamp", "timestamptz", "list<int64>", "struct<a int>",
)  # fmt: skip
TIMES = st.sampled_from(
    [
        "2026-01-31T12:30:00Z", "2026-01-31T12:30:00", "2026-01-31 12:30:00.123456", "2026-01-31T12:30:00+05:30",
        "2026-01-31T12:30:00.5Z", "2026-01-31", "2026-01-31T12:30Z", "2026-02-30T00:00:00Z", "12:30:00", "soon", "",
        "2026-01-31T12:30:00.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-1-3",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-300, 300),
    st.floats(),
    st.floats(width=32),
    st.text(max_size=5),
    TIMES,
    st.sampled_from(["1.50", "1e3", "NaN", "Infinity", "AAEC", "0c7bd4ea-4d3c-4f6e-9b0e-2a1a3c5d7e9f"]),
    st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2),
)


def same(one, other):
    """Equal arrays; NaN is NaN."""
    return repr(one.to_pylist()) == repr(other.to_pylist()) and one.type == other.type


@given(st.sampled_from(TYPES), st.lists(VALUES, max_size=6), st.sampled_from([None, "s", "ms", "us", "ns"]))
def test_a_whole_column_reads_as_its_values_do_one_by_one(value_type, values, epoch):
    column = Column(name="x", type=value_type)
    found, refused = event_column(values, column, epoch=epoch)
    slowly, slowly_refused = _one_by_one(values, column, epoch)
    assert same(found, slowly), (found, slowly)
    assert refused == slowly_refused
    assert found.type == event_type(column)


@given(st.sampled_from(TYPES), st.lists(VALUES, min_size=1, max_size=6))
def test_a_bad_value_costs_no_other(value_type, values):
    column = Column(name="x", type=value_type)
    found, refused = event_column(values, column)
    for place, value in enumerate(values):
        alone, alone_refused = event_column([value], column)
        assert (place in refused) == (0 in alone_refused)
        assert same(found.slice(place, 1), alone)


@pytest.mark.parametrize(
    ("value_type", "value", "read"),
    [
        ("int64", 3.0, 3),
        ("float64", 3, 3.0),
        ("float64", "NaN", math.nan),
        ("decimal(10,2)", "1.50", Decimal("1.50")),
        ("timestamp", "2026-01-31T12:30:00+02:00", datetime(2026, 1, 31, 10, 30)),
        ("timestamptz", "2026-01-31T12:30:00", datetime(2026, 1, 31, 12, 30, tzinfo=timezone.utc)),
        ("timestamptz", datetime(2026, 1, 31, tzinfo=timezone.utc), datetime(2026, 1, 31, tzinfo=timezone.utc)),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        ("struct<a int>", {"a": 1}, '{"a":1}'),
        ("list<int64>", [1, None], [1, None]),
        ("bytes", "AAEC", b"\x00\x01\x02"),
    ],
)
def test_what_a_value_is_read_as(value_type, value, read):
    found, refused = event_column([value], Column(name="x", type=value_type))
    assert refused == {}
    assert same(found, pa.array([read], found.type))


@pytest.mark.parametrize(
    ("epoch", "value", "read_us"),
    [
        ("s", 1_764_220_000, 1_764_220_000_000_000),
        ("s", 1_764_220_000.25, 1_764_220_000_250_000),
        ("ms", 1_764_220_000_123, 1_764_220_000_123_000),
        ("us", 1_764_220_000_123_456, 1_764_220_000_123_456),
        ("ns", 1_764_220_000_123_456_789, 1_764_220_000_123_456),
        ("ns", -1, -1),
        ("ms", -1, -1_000),
    ],
)
def test_times_as_numbers_count_in_their_unit(epoch, value, read_us):
    for column in (Column(name="x", type="timestamp"), Column(name="x", type="timestamptz")):
        for values in ([value], [value, None, "2026-01-31T12:30:00Z"]):
            found, refused = event_column(values, column, epoch=epoch)
            assert refused == {}
            assert found.cast(pa.int64())[0].as_py() == read_us


@pytest.mark.parametrize(
    ("value_type", "text", "read"),
    [
        ("int64", "42", 42),
        ("int64", "", None),
        ("int64", "4x", "4x"),
        ("float64", "1e3", 1000.0),
        ("boolean", "true", True),
        ("string", "42", "42"),
        ("string", "", ""),
        ("timestamp", "2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z"),
        ("timestamp", "1764220000000", 1_764_220_000_000),
        ("list<int64>", "[1,2]", [1, 2]),
        ("json", '{"a":1}', '{"a":1}'),
        ("decimal(10,2)", "1.50", "1.50"),
    ],
)
def test_what_a_text_field_says(value_type, text, read):
    assert value_of_text(text, value_type) == read
