"""Rows: what goes in comes out, in the type the warehouse has, and other languages can read it (P13, O9)."""

from __future__ import annotations

import math
import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.codec import HEADER_CELLS, RowDecoder, converter, microseconds, tombstone
from featurestore.online.encode import RowEncoder
from featurestore.online.protocol import NO_CREATED_TIME

UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_US = 1_769_860_800_000_000


def view(*types, **options):
    return FeatureView(
        name="user_orders",
        relation="user_orders",
        join_keys=(Column(name="user_id", type="int64"),),
        event_time=Column(name="observed_at", type="timestamp"),
        features=tuple(Feature(name=f"f{number}", type=each) for number, each in enumerate(types)),
        **options,
    )


def rows_of(*columns, event=NOON):
    """A batch of rows with keys 0, 1, ... and features f0, f1, ..."""
    count = len(columns[0]) if columns else 1
    features = {f"f{number}": column for number, column in enumerate(columns)}
    times = pa.array([event.replace(tzinfo=None)] * count, pa.timestamp("us"))
    return pa.record_batch({"user_id": pa.array(range(count), pa.int64()), "observed_at": times, **features})


def through_the_store(value_type, array):
    """The values of a column after encoding and decoding."""
    encoded = RowEncoder(view(value_type), project="shop").encode(rows_of(array)).rows
    convert = converter(value_type) or (lambda stored: stored)
    cells = [RowDecoder().cells(value)[HEADER_CELLS] for value in encoded.values.to_pylist()]
    return [None if cell is None else convert(cell) for cell in cells]


def integers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
MONEY = st.integers(-(10**9) + 1, 10**9 - 1).map(lambda cents: Decimal(cents).scaleb(-2))
ROUND_TRIPS = {
    "boolean": (st.booleans(), pa.bool_()),
    **{f"int{bits}": (integers(bits), pa.type_for_alias(f"int{bits}")) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (st.integers(0, 2**bits - 1), pa.type_for_alias(f"uint{bits}")) for bits in (8, 16, 32, 64)},
    "int128": (st.integers(-(10**38) + 1, 10**38 - 1), pa.decimal128(38, 0)),
    "float32": (st.floats(width=32), pa.float32()),
    "float64": (st.floats(), pa.float64()),
    "decimal(9,2)": (MONEY, pa.decimal128(9, 2)),
    "decimal(50,9)": (st.integers(-(10**27), 10**27).map(lambda n: Decimal(n).scaleb(-9)), pa.decimal256(50, 9)),
    "string": (st.text(), pa.string()),
    "json": (st.text(), pa.string()),
    "bytes": (st.binary(), pa.binary()),
    "uuid": (st.uuids().map(str), pa.string()),
    "date": (st.dates(), pa.date32()),
    "time": (st.times(), pa.time64("us")),
    "timestamp": (st.datetimes(), pa.timestamp("us")),
    "timestamptz": (INSTANTS, pa.timestamp("us", "UTC")),
    "list<float32>": (st.lists(st.none() | st.floats(width=32, allow_nan=False)), pa.list_(pa.float32())),
    "list<timestamp>": (st.lists(st.none() | st.datetimes()), pa.large_list(pa.timestamp("us"))),
    "list<list<string>>": (st.lists(st.none() | st.lists(st.text())), pa.list_(pa.list_(pa.string()))),
    "struct<a integer, b varchar>": (
        st.fixed_dictionaries({"a": st.none() | integers(32), "b": st.text()}),
        pa.struct({"a": pa.int32(), "b": pa.string()}),
    ),
    "map<varchar, integer>": (st.dictionaries(st.text(), integers(32)), pa.map_(pa.string(), pa.int32())),
    "unknown:enum_of_mine": (st.text(), pa.dictionary(pa.int8(), pa.string())),
}


@pytest.mark.parametrize("value_type", ROUND_TRIPS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_type_comes_back_as_the_warehouse_had_it(value_type, data):
    """P13: NULLs and NULL lists included; Arrow slices too."""
    strategy, kind = ROUND_TRIPS[value_type]
    values = data.draw(st.lists(st.none() | strategy, min_size=2, max_size=5))
    array = pa.array([Decimal(v) if isinstance(v, int) and value_type == "int128" else v for v in values], kind)
    assert [same(value) for value in through_the_store(value_type, array[1:])] == [same(value) for value in values[1:]]


def same(value):
    """NaN equals NaN here, and 1.50 is not 1.5."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    ("value_type", "array", "values"),
    [
        ("timestamp", pa.array([10**18 + 1_999], pa.timestamp("ns")), [datetime(2001, 9, 9, 1, 46, 40, 1)]),
        ("timestamptz", pa.array([NOON], pa.timestamp("ms", "Asia/Tokyo")), [NOON]),
        ("timestamptz", pa.array([0], pa.timestamp("us")), [datetime(1970, 1, 1, tzinfo=UTC)]),
        ("timestamp", pa.array([2**63 - 1, -(2**63) + 1], pa.timestamp("us")), [datetime.max, datetime.min]),
        ("timestamp", pa.array([date(2026, 1, 31)]), [datetime(2026, 1, 31)]),
        ("date", pa.array([date(2026, 1, 31)], pa.date64()), [date(2026, 1, 31)]),
        ("time", pa.array([time(12, 30)], pa.time32("s")), [time(12, 30)]),
        ("float64", pa.array([Decimal("1.5")]), [1.5]),
        ("float64", pa.array([1], pa.int64()), [1.0]),
        ("int64", pa.array([Decimal(7)]), [7]),
        ("decimal(9,2)", pa.array([7], pa.int64()), [Decimal("7.00")]),
        ("string", pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        ("string", pa.array(["a", None], pa.large_string()), ["a", None]),
        ("int64", pa.nulls(2), [None, None]),
        ("uuid", pa.array([bytes(15) + b"\x01"], pa.binary(16)), ["00000000-0000-0000-0000-000000000001"]),
        ("list<float32>", pa.array([[1, 2], None], pa.list_(pa.float32(), 2)), [[1.0, 2.0], None]),
        ("interval", pa.array([(1, 2, 3)], pa.month_day_nano_interval()), [[1, 2, 3]]),
        (
            "struct<at timestamp, money decimal>",
            pa.array([{"at": NOON, "money": Decimal("1.50")}]),
            [{"at": "2026-01-31T12:00:00Z", "money": "1.50"}],
        ),
        ("map<varchar, integer>", pa.array([[]], pa.map_(pa.string(), pa.int32())), [{}]),
    ],
)
def test_arrow_spellings_of_a_type_are_read_as_the_declared_type(value_type, array, values):
    assert through_the_store(value_type, array) == values
    assert [type(value) for value in through_the_store(value_type, array)] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("value_type", "array"),
    [
        ("int64", pa.array(["1"])),
        ("int64", pa.array([1.5])),
        ("int64", pa.array([True])),
        ("int8", pa.array([300], pa.int64())),
        ("string", pa.array([1])),
        ("timestamp", pa.array(["2026-01-31"])),
        ("boolean", pa.array([1])),
        ("list<int64>", pa.array([1])),
        ("decimal(3,2)", pa.array([Decimal("12.345")])),
    ],
)
def test_a_column_of_another_type_is_refused_before_anything_is_written(value_type, array):
    with pytest.raises(UsageError) as problem:
        through_the_store(value_type, array)
    assert str(problem.value).startswith(f"column 'f0': expected {value_type}, the warehouse gave {array.type}")
    assert str(problem.value).endswith("-> the model's types changed since the last apply; run featurestore apply")


def test_a_missing_column_is_named_with_its_view_and_near_names():
    batch = rows_of(pa.array([1])).rename_columns(["user_id", "observed_at", "f00"])
    with pytest.raises(UsageError) as problem:
        RowEncoder(view("int64"), project="shop").encode(batch)
    assert str(problem.value) == (
        "feature view user_orders: no column 'f0' in the rows to sync\n  -> did you mean f00?"
    )


def test_columns_are_found_when_the_warehouse_writes_them_in_capitals():
    batch = rows_of(pa.array([1])).rename_columns(["USER_ID", "OBSERVED_AT", "F0"])
    assert len(RowEncoder(view("int64"), project="shop").encode(batch).rows) == 1


def test_rows_without_a_key_or_an_event_time_are_left_out_and_counted():
    batch = pa.record_batch(
        {
            "user_id": pa.array([1, None, 3, None]),
            "observed_at": pa.array([NOON, NOON, None, None], pa.timestamp("us")),
            "f0": pa.array([10, 20, 30, 40]),
        }
    )
    encoded = RowEncoder(view("int64"), project="shop").encode(batch)
    assert (encoded.rows.keys.to_pylist(), encoded.skipped) == ([b"fs:shop:user_orders@0:{1}"], 3)
    assert RowDecoder().cells(encoded.rows.values[0].as_py())[HEADER_CELLS:] == [10]


def test_times_of_the_guard_stand_in_the_batch_and_in_the_row():
    """O1: created time NULL or undeclared is the lowest."""
    declared = view("int64", created_at=Column(name="loaded_at", type="timestamptz"))
    batch = rows_of(pa.array([1, 2])).append_column("loaded_at", pa.array([NOON, None], pa.timestamp("us", "UTC")))
    for each, created in ((declared, [NOON_US, NO_CREATED_TIME]), (view("int64"), [NO_CREATED_TIME] * 2)):
        rows = RowEncoder(each, project="shop").encode(batch).rows
        assert (rows.event_us.to_pylist(), rows.created_us.to_pylist()) == ([NOON_US] * 2, created)
        assert [RowDecoder().cells(value)[:2] for value in rows.values.to_pylist()] == [[NOON_US, us] for us in created]


def test_an_event_time_that_is_a_date_counts_from_its_midnight():
    batch = pa.record_batch({"user_id": [1], "observed_at": pa.array([date(2026, 1, 31)]), "f0": [1]})
    rows = RowEncoder(view("int64"), project="shop").encode(batch).rows
    assert rows.event_us.to_pylist() == [microseconds(datetime(2026, 1, 31))]


@pytest.mark.parametrize(
    ("ttl", "event", "expires_ms"),
    [
        (None, NOON, None),
        (timedelta(days=7), NOON, NOON_US // 1000 + 14 * 86_400_000),
        (timedelta(microseconds=1), NOON, NOON_US // 1000 + 1),
        (timedelta(days=1), datetime(1950, 1, 1), 1),
        (timedelta(days=999_999_999), NOON, NOON_US // 1000 + 2 * 999_999_999 * 86_400_000),
    ],
)
def test_a_row_expires_two_ttls_after_its_event_time_and_not_a_moment_before(ttl, event, expires_ms):
    """At most a 32nd of a ttl later, so that many rows expire together."""
    ttl_us = None if ttl is None else ttl // timedelta(microseconds=1)
    rows = RowEncoder(view("int64", ttl_us=ttl_us), project="shop").encode(rows_of(pa.array([1]), event=event)).rows
    if ttl is None:
        assert rows.expires_ms is None
    else:
        (found,) = rows.expires_ms.to_pylist()
        assert expires_ms <= found < expires_ms + max(1, ttl_us // 32_000)


def test_rows_of_near_event_times_expire_together():
    hour_us = 3_600_000_000
    ours = view("int64", ttl_us=32 * hour_us)
    times = pa.array([NOON_US + minute * 60_000_000 for minute in range(24 * 60)], pa.timestamp("us"))
    batch = pa.record_batch({"user_id": [1] * len(times), "observed_at": times, "f0": [1] * len(times)})
    expiries = RowEncoder(ours, project="shop").encode(batch).rows.expires_ms.to_pylist()
    assert len(set(expiries)) in {24, 25}
    assert expiries == sorted(expiries)


def test_no_row_is_forgotten_before_the_time_until_which_it_is_to_be_kept():
    """P17: rows of long ago can be looked up as of long ago."""
    old, until = view("int64", ttl_us=1), NOON_US // 1000 + 77
    encoded = RowEncoder(old, project="shop", keep_until_ms=until).encode(rows_of(pa.array([1])))
    assert encoded.rows.expires_ms.to_pylist() == [until]
    unlimited = RowEncoder(view("int64"), project="shop", keep_until_ms=until).encode(rows_of(pa.array([1])))
    assert unlimited.rows.expires_ms is None


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_views_of_any_width(count):
    wide = view(*["int64"] * count)
    batch = rows_of(*[pa.array([number], pa.int64()) for number in range(count)])
    (value,) = RowEncoder(wide, project="shop").encode(batch).rows.values.to_pylist()
    assert RowDecoder().cells(value)[HEADER_CELLS:] == list(range(count))
    assert read_header(value) == (3 + count, NOON_US, None, wide.fingerprint)


def test_valid_to_is_the_last_column():
    """P9"""
    until = Column(name="until", type="timestamp")
    batch = rows_of(pa.array([5])).append_column("until", pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")))
    (value,) = RowEncoder(view("int64", valid_to=until), project="shop").encode(batch).rows.values.to_pylist()
    assert RowDecoder().cells(value)[HEADER_CELLS:] == [5, NOON_US]


def test_a_view_without_entity_has_one_key():
    """P10"""
    keyless = FeatureView(
        name="rates",
        version="3",
        relation="rates",
        event_time=Column(name="observed_at", type="timestamp"),
        features=(Feature(name="f0", type="int64"),),
    )
    rows = RowEncoder(keyless, project="shop").encode(rows_of(pa.array([1, 2]))).rows
    assert rows.keys.to_pylist() == [b"fs:shop:rates@3:{}"] * 2


def test_a_tombstone_is_a_header_alone():
    assert read_header(tombstone(NOON_US, None, 7)) == (3, NOON_US, None, 7)
    assert len(RowDecoder().cells(tombstone(NOON_US, 5, 7))) == HEADER_CELLS


@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"hello", b"\x93\x01\x02\x03", b"\xdc\x00\x02\x01\x02", b"\xdc\x00\x03\x01"]
)
def test_bytes_that_are_no_row_are_an_error_and_not_a_value(junk):
    with pytest.raises(OnlineStoreError, match="something that is not a feature row"):
        RowDecoder().cells(junk)


@pytest.mark.parametrize("value_type", [each for each in ROUND_TRIPS if not each.startswith(("struct", "map", "unk"))])
def test_every_type_has_an_arrow_type_for_results(value_type):
    kind = arrow_type(value_type)
    assert kind == ROUND_TRIPS[value_type][1] or str(kind).replace("list", "large_list", 1) == str(
        ROUND_TRIPS[value_type][1]
    )


def read_header(value):
    """An independent reader of the documented first 26 bytes."""
    assert (value[0], value[3], value[12], value[21]) == (0xDC, 0xD3, 0xD3, 0xCE)
    (length,) = struct.unpack(">H", value[1:3])
    event_us = int.from_bytes(value[4:12], "big", signed=True)
    created_us = int.from_bytes(value[13:21], "big", signed=True)
    return length, event_us, None if created_us == -(2**63) else created_us, int.from_bytes(value[22:26], "big")
