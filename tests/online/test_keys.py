"""Keys: one text per value wherever it comes from, and never one key for two entities (SEMANTICS P2)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import UsageError
from featurestore.online.encode import RowEncoder
from featurestore.online.keys import entity_key, key_prefix, key_text

UUID_TEXT = "8c5f3e0a-9f6b-4f0e-9d0c-0123456789ab"
PLUS_2 = timezone(timedelta(hours=2))


def view(*types, name="orders", version=None):
    keys = tuple(Column(name=f"key_{number}", type=each) for number, each in enumerate(types))
    return FeatureView(
        name=name,
        version=version,
        relation="orders",
        join_keys=keys,
        event_time=Column(name="ts", type="timestamp"),
        features=(Feature(name="x", type="int64"),),
    )


def text(value, value_type):
    return key_text(value, Column(name="customer_id", type=value_type))


class Size(int, Enum):
    """A number that calls itself Size.LARGE."""

    LARGE = 3


class Colour(str, Enum):
    """A text that calls itself Colour.RED."""

    RED = "red"


@pytest.mark.parametrize(
    ("value_type", "spellings", "expected"),
    [
        (
            "int64",
            [1001, "1001", 1001.0, "+1001", "01001", Decimal("1001.0"), np.int32(1001), np.float32(1001)],
            "1001",
        ),
        ("int64", [-1, "-1"], "-1"),
        ("int64", [Size.LARGE, 3], "3"),
        ("string", [Colour.RED, "red"], "red"),
        ("uint64", [2**64 - 1, str(2**64 - 1), Decimal(2**64 - 1)], "18446744073709551615"),
        ("int128", [-(2**127), Decimal(-(2**127))], str(-(2**127))),
        ("string", ["a", np.str_("a")], "a"),
        ("string", [""], ""),
        ("string", ["NULL"], "NULL"),
        ("boolean", [True, "true", np.bool_(True)], "true"),
        ("boolean", [False, "false"], "false"),
        ("date", [date(2026, 1, 31), "2026-01-31", datetime(2026, 1, 31), pd.Timestamp("2026-01-31")], "2026-01-31"),
        (
            "timestamp",
            [
                datetime(2026, 1, 31, 12),
                datetime(2026, 1, 31, 14, tzinfo=PLUS_2),
                "2026-01-31T12:00:00Z",
                "2026-01-31 12:00",
                "2026-01-31T14:00:00.000+02:00",
                "2026-01-31T14:00:00+0200",
                "2026-01-31T07:00:00-05",
                pd.Timestamp("2026-01-31 12:00", tz="UTC"),
            ],
            "2026-01-31T12:00:00.000000Z",
        ),
        ("timestamptz", ["2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000"], "2026-01-31T12:00:00.500000Z"),
        ("decimal(18,3)", [Decimal("1.50"), "1.5", 1.5, Decimal("15E-1"), "1.500"], "1.5"),
        ("decimal(18,3)", [Decimal(100), 100, "1E+2", 100.0], "100"),
        ("decimal(18,3)", [Decimal("-0.00"), 0, "0"], "0"),
        (
            "decimal(38,0)",
            [Decimal(12345678901234567890123456789012345678)],
            "12345678901234567890123456789012345678",
        ),
        ("uuid", [UUID(UUID_TEXT), UUID_TEXT, UUID_TEXT.upper(), UUID_TEXT.replace("-", "")], UUID_TEXT),
        ("float64", [0.1, np.float64(0.1)], "0.1"),
        ("float64", [1, 1.0], "1.0"),
        ("float64", [0.0, -0.0], "0.0"),
        ("float32", [0.1, np.float32(0.1)], "0.10000000149011612"),
        ("bytes", [b"\x00\xff", bytearray(b"\x00\xff")], "00ff"),
        ("time", [time(12, 30), "12:30", "12:30:00.0"], "12:30:00.000000"),
        ("unknown:citext", ["a"], "a"),
    ],
)
def test_a_value_has_one_text_however_it_is_given(value_type, spellings, expected):
    for value in spellings:
        assert text(value, value_type) == expected, repr(value)


@pytest.mark.parametrize(
    ("value_type", "value", "said"),
    [
        ("int64", np.array([1, 2]), "expected a whole number, got array([1, 2]) (ndarray)"),
        ("int64", 1.5, "expected a whole number, got 1.5 (float)"),
        ("int64", True, "expected a whole number, got True (bool)"),
        ("int64", "12a", "expected a whole number, got '12a' (str)"),
        ("int64", "", "expected a whole number, got '' (str)"),
        ("int64", "1_000", "expected a whole number, got '1_000' (str)"),
        ("int64", "٣", "expected a whole number, got '٣' (str)"),
        ("int64", float("nan"), "expected a whole number, got nan (float)"),
        ("int64", float("inf"), "expected a whole number, got inf (float)"),
        ("int64", 2.0**53 + 2, "expected an integer that a float holds exactly"),
        ("int64", 10**300, "expected an integer of at most 128 bits, got one of 997 bits (int)"),
        ("int64", [1], "expected a whole number, got [1] (list)"),
        ("string", 1001, "expected text, got 1001 (int)"),
        ("string", b"a", "expected text, got b'a' (bytes)"),
        ("boolean", 1, "expected true or false, got 1 (int)"),
        ("boolean", [], "expected true or false, got [] (list)"),
        ("date", "2026-02-30", "expected a date, got '2026-02-30' (str)"),
        ("date", datetime(2026, 1, 31, 1), "expected a date such as 2026-01-31, got datetime"),
        ("timestamp", "yesterday", "expected a timestamp such as 2026-01-31T12:30:00Z, got 'yesterday' (str)"),
        ("timestamp", 1_700_000_000, "expected a timestamp such as"),
        ("timestamp", pd.NaT, "expected a timestamp"),
        ("timestamp", "0001-01-01T00:00:00+02:00", "expected a timestamp"),
        ("decimal(9,2)", "1,5", "expected a decimal number, got '1,5' (str)"),
        ("decimal(9,2)", Decimal("NaN"), "expected a decimal number"),
        ("decimal(9,2)", Decimal("1e999999"), "expected a decimal number"),
        ("uuid", "8c5f3e0a", "expected a UUID, got '8c5f3e0a' (str)"),
        ("float64", "1.0", "expected a number, got '1.0' (str)"),
        ("float32", 1e300, "expected a float32, got 1e+300 (float)"),
        ("bytes", "00", "expected bytes, got '00' (str)"),
        ("time", "25:00", "expected a time, got '25:00' (str)"),
        ("string", ["x" * 200], "xxx... (list)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_key_type_and_value(value_type, value, said):
    with pytest.raises(UsageError) as problem:
        text(value, value_type)
    assert str(problem.value).startswith(f"join key 'customer_id' ({value_type}): expected ")
    assert said in str(problem.value)
    assert len(str(problem.value)) < 400


def test_null_has_no_text_so_that_it_is_never_looked_up_as_a_word():
    assert text(None, "string") is None
    assert text(None, "int64") is None


@pytest.mark.parametrize("value_type", ["list<int64>", "json", "interval", "struct<a: int>"])
def test_a_type_that_cannot_be_a_key_is_said_at_once(value_type):
    with pytest.raises(UsageError, match="cannot be a join key online\n  -> cast it to a string"):
        RowEncoder(view(value_type), project="shop")


@pytest.mark.parametrize(
    ("project", "feature_view", "texts", "key"),
    [
        ("shop", view("int64"), ["1001"], b"fs:shop:orders@0:{1001}"),
        ("shop", view("int64", version="2"), ["1001"], b"fs:shop:orders@2:{1001}"),
        ("shop", view("string", "int64"), ["a|b", "7"], b"fs:shop:orders@0:{a%7Cb|7}"),
        ("shop", view("string"), ["{%}"], b"fs:shop:orders@0:{%7B%25%7D}"),
        ("shop", view(), [], b"fs:shop:orders@0:{}"),
        ("a:b", view("int64", name="v@1"), ["1"], b"fs:a%3Ab:v%401@0:{1}"),
        ("shop", view("string"), ["ключ"], "fs:shop:orders@0:{ключ}".encode()),
    ],
)
def test_what_a_key_looks_like(project, feature_view, texts, key):
    assert entity_key(key_prefix(project, feature_view), texts) == key


def test_a_text_that_is_not_unicode_is_refused():
    with pytest.raises(UsageError, match="not valid Unicode"):
        entity_key(b"fs:shop:v@0:{", ["\ud800"])


TRICKY = st.text(alphabet="a%|{}257CBD\x00", max_size=6) | st.text(max_size=6)


@given(st.lists(TRICKY, min_size=2, max_size=2), st.lists(TRICKY, min_size=2, max_size=2))
def test_different_entities_never_share_a_key(one, other):
    """P2: ("a|b", "c") is not ("a", "b|c")."""
    prefix = key_prefix("shop", view("string", "string"))
    assert (entity_key(prefix, one) == entity_key(prefix, other)) == (one == other)


NAMES = st.text(alphabet="ab:@{}%0", min_size=1, max_size=4)


@given(st.tuples(NAMES, NAMES, st.none() | NAMES), st.tuples(NAMES, NAMES, st.none() | NAMES))
def test_different_projects_views_and_versions_never_share_a_key(one, other):
    one, other = ((project, name, version or "0") for project, name, version in (one, other))
    prefixes = [key_prefix(project, view(name=name, version=version)) for project, name, version in (one, other)]
    assert (prefixes[0] == prefixes[1]) == (one == other)


KEY_VALUES = {
    "int64": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "int16": (st.integers(-(2**15), 2**15 - 1), pa.int32()),
    "uint64": (st.integers(0, 2**64 - 1), pa.uint64()),
    "int128": (st.integers(-(10**38) + 1, 10**38 - 1), pa.decimal128(38, 0)),
    "string": (st.text(), pa.large_string()),
    "boolean": (st.booleans(), pa.bool_()),
    "float64": (st.floats(allow_nan=False), pa.float64()),
    "float32": (st.floats(width=32, allow_nan=False), pa.float32()),
    "decimal(38,9)": (
        st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28),
        pa.decimal128(38, 9),
    ),
    "date": (st.dates(), pa.date32()),
    "time": (st.times(), pa.time64("us")),
    "timestamp": (st.datetimes(), pa.timestamp("us")),
    "timestamptz": (
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(PLUS_2)),
        pa.timestamp("us", "America/New_York"),
    ),
    "uuid": (st.uuids().map(str), pa.string()),
    "bytes": (st.binary(max_size=9), pa.binary()),
}


@pytest.mark.parametrize("value_type", KEY_VALUES)
@settings(max_examples=25)
@given(data=st.data())
def test_sync_and_lookup_agree_on_every_key(value_type, data):
    strategy, arrow_type = KEY_VALUES[value_type]
    value = data.draw(strategy)
    rows = pa.record_batch(
        {
            "key_0": pa.array([value], arrow_type),
            "ts": pa.array([0], pa.timestamp("us")),
            "x": pa.array([1], pa.int64()),
        }
    )
    synced = RowEncoder(view(value_type), project="shop").encode(rows).rows.keys.to_pylist()
    assert synced == [entity_key(key_prefix("shop", view(value_type)), [text(value, value_type)])]
