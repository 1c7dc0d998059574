"""Columns at once and rows one by one give the same bytes, for every type, shape and edge (issue: codec)."""

from __future__ import annotations

import math
import struct
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import UsageError
from featurestore.online.codec import HEADER, RowDecoder
from featurestore.online.encode import RowEncoder
from featurestore.online.pieces import Block, join, lines
from tests.online.row_wise import encode_row_wise
from tests.online.test_codec import ROUND_TRIPS

TIME = Column(name="observed_at", type="timestamp")
LOADED = Column(name="loaded_at", type="timestamptz")
LENGTHS = (0, 1, 2, 3, 15, 16, 30, 31, 32, 33, 127, 128, 254, 255, 256, 257, 65_534, 65_535, 65_536, 65_537)
EDGES = sorted({sign * 2**bits + step for bits in range(64) for step in (-1, 0, 1) for sign in (1, -1)})
FLOATS = (0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1, 2.0**53)


def wide_view(types, keys=("int64",), **options):
    """A view with features f0, f1, ... and join keys k0, k1, ..."""
    return FeatureView(
        name="orders",
        relation="orders",
        join_keys=tuple(Column(name=f"k{number}", type=each) for number, each in enumerate(keys)),
        event_time=TIME,
        features=tuple(Feature(name=f"f{number}", type=each) for number, each in enumerate(types)),
        **options,
    )


def assert_same(view, batch):
    """Both encoders give the same rows."""
    encoded = RowEncoder(view, project="shop").encode(batch)
    rows = encoded.rows
    expires = [None] * len(rows) if rows.expires_ms is None else rows.expires_ms.to_pylist()
    columns = (rows.keys, rows.values, rows.event_us, rows.created_us)
    assert all(array.null_count == 0 for array in columns)
    for array in columns:
        array.validate(full=True)
    wanted = encode_row_wise(view, batch)
    assert list(zip(*(array.to_pylist() for array in columns), expires, strict=True)) == wanted
    assert encoded.skipped == batch.num_rows - len(wanted)
    assert [(rows.keys.type, rows.values.type)] == [(pa.large_binary(), pa.large_binary())]


def assert_one_column_same(value_type, array):
    count = len(array)
    times = pa.array([datetime(2026, 1, 31)] * count, pa.timestamp("us"))
    keys = pa.array(range(count), pa.int64())
    assert_same(wide_view([value_type]), pa.record_batch({"k0": keys, "observed_at": times, "f0": array}))


def integer_of(value_type):
    """Integers, those around every power of two as often as all others."""
    bits, low = int(value_type.lstrip("uint")), value_type.startswith("int")
    first, last = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if low else (0, 2**bits - 1)
    return st.sampled_from([edge for edge in EDGES if first <= edge <= last]) | st.integers(first, last)


KINDS = {
    **ROUND_TRIPS,
    **{t: (integer_of(t), k) for t, (_, k) in ROUND_TRIPS.items() if t.startswith(("int", "uint")) and t != "int128"},
    "int128": (st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal), pa.decimal128(38, 0)),
    "string": (st.text() | st.sampled_from([32, 255, 256]).map("é".__mul__), pa.string()),
    "list<int64>": (st.lists(st.none() | integer_of("int64")), pa.list_(pa.int64())),
    "list<boolean>": (st.lists(st.none() | st.booleans(), max_size=20), pa.large_list(pa.bool_())),
    "list<decimal(9,2)>": (st.lists(st.none() | ROUND_TRIPS["decimal(9,2)"][0]), pa.list_(pa.decimal128(9, 2))),
    "unknown:mine": (st.text(), pa.large_string()),
}
INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))


@st.composite
def arrays(draw, value_type, count, nulls=True):
    """An array of that type, as it is, a slice out of a longer one, or a dictionary."""
    strategy, kind = KINDS[value_type]
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    size = before + count + after
    values = draw(st.lists(st.none() | strategy if nulls else strategy, min_size=size, max_size=size))
    array = pa.array(values, kind)
    if value_type in {"string", "int64", "float64", "date", "bytes"} and draw(st.booleans()):
        array = array.dictionary_encode()
    return array[before : before + count]


@settings(max_examples=300)
@given(data=st.data())
def test_columns_at_once_give_the_bytes_of_rows_one_by_one(data):
    count = data.draw(st.integers(0, 8), "rows")
    types = data.draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=8), "types")
    keys = data.draw(st.lists(st.sampled_from(KEY_TYPES), max_size=3), "keys")
    ttl_us = data.draw(st.none() | st.integers(1, 2 * 10**20), "ttl")
    view = wide_view(types, keys, ttl_us=ttl_us, created_at=data.draw(st.sampled_from([None, LOADED])))
    moments = st.lists(st.none() | INSTANTS, min_size=count, max_size=count)
    columns = {f"k{number}": data.draw(arrays(each, count)) for number, each in enumerate(keys)}
    columns["observed_at"] = pa.array(data.draw(moments), pa.timestamp("us"))
    columns["loaded_at"] = pa.array(data.draw(moments), pa.timestamp("us", "UTC"))
    columns |= {f"f{number}": data.draw(arrays(each, count)) for number, each in enumerate(types)}
    assert_same(view, pa.record_batch(columns))


KEY_TYPES = ("int64", "uint64", "int8", "int128", "string", "uuid", "boolean", "date", "time", "float64", "bytes",
             "decimal(9,2)", "timestamp")  # fmt: skip


@settings(max_examples=200)
@given(texts=st.lists(st.tuples(*[st.text(alphabet="a%|{}:@+2é\0", max_size=6)] * 2), max_size=6))
def test_keys_are_escaped_as_a_lookup_escapes_them(texts):
    columns = {f"k{number}": pa.array([pair[number] for pair in texts], pa.string()) for number in range(2)}
    times = pa.array([datetime(2026, 1, 31)] * len(texts), pa.timestamp("us"))
    assert_same(wide_view([], ("string", "string")), pa.record_batch({**columns, "observed_at": times}))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_texts_of_every_length_that_changes_their_mark(kind):
    texts = ["x" * length for length in LENGTHS]
    assert_one_column_same("string", pa.array([*texts, None, *reversed(texts)], kind))
    for length in LENGTHS:
        assert_one_column_same("string", pa.array(["y" * length] * 3, kind))


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_bytes_of_every_length_that_changes_their_mark(kind):
    assert_one_column_same("bytes", pa.array([None, *(b"\xff" * length for length in LENGTHS), None], kind))


@pytest.mark.parametrize("value_type", ["list<boolean>", "list<float64>", "list<string>", "list<list<int8>>"])
def test_lists_of_every_length_that_changes_their_mark(value_type):
    item = {"list<boolean>": True, "list<float64>": 0.5, "list<string>": "ab", "list<list<int8>>": [1, None]}[
        value_type
    ]
    kind = pa.list_({bool: pa.bool_(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.int8())}[type(item)])
    assert_one_column_same(value_type, pa.array([[item] * length for length in (0, 1, 15, 16, 17, 65_536)], kind))


@pytest.mark.parametrize("value_type", [t for t in KINDS if t.startswith(("int", "uint")) and t != "int128"])
def test_integers_around_every_power_of_two(value_type):
    """Mixed in one column, and each alone, where a column needs no widths."""
    kind = ROUND_TRIPS[value_type][1]
    edges = [edge for edge in EDGES if np.iinfo(value_type).min <= edge <= np.iinfo(value_type).max]
    assert_one_column_same(value_type, pa.array([None, *edges, None, *reversed(edges)], kind))
    for edge in edges:
        assert_one_column_same(value_type, pa.array([edge, edge], kind))
        assert_one_column_same(value_type, pa.array([edge, None], kind))


@pytest.mark.parametrize(("value_type", "kind"), [("float64", pa.float64()), ("float32", pa.float32())])
def test_floats_keep_their_bits(value_type, kind):
    assert_one_column_same(value_type, pa.array([*FLOATS, None, *FLOATS], kind))
    odd_nan = struct.unpack(">d", bytes.fromhex("fff8000000000abc"))[0]
    assert_one_column_same("float64", pa.array([odd_nan], pa.float64()))
    assert_one_column_same(value_type, pa.array([7, None, -1], pa.int64()))


def test_what_a_narrow_number_spills_never_stays():
    """Every pair of widths side by side, at the end of a row and before it."""
    numbers = [None, 1, 200, 40_000, 3_000_000_000, 2**40, -1, -100, -20_000, -(2**30), -(2**50)]
    pairs = [(first, second) for first in numbers for second in numbers]
    columns = {f"f{place}": pa.array([pair[place] for pair in pairs], pa.int64()) for place in range(2)}
    times = pa.array([datetime(2026, 1, 31)] * len(pairs), pa.timestamp("us"))
    keys = pa.array(range(len(pairs)), pa.int64())
    assert_same(wide_view(["int64", "int64"]), pa.record_batch({"k0": keys, "observed_at": times, **columns}))


@pytest.mark.parametrize("room", range(10))
def test_pieces_are_exact_behind_a_head_of_any_room(room):
    numbers = Block(cells=np.arange(45, dtype=np.uint8).reshape(5, 9), widths=np.array([1, 9, 2, 5, 1], np.uint8))
    joined = join(lines(b"h" * room, 5), [numbers, numbers]).to_pylist()
    wanted = [numbers.cells[row, :width].tobytes() for row, width in enumerate(numbers.widths)]
    assert joined == [b"h" * room + each * 2 for each in wanted]


def test_a_null_that_has_bytes_behind_it_has_none_in_the_row():
    """Arrow allows a NULL text to point at bytes."""
    whole = pa.array(["abc", "defg", "h"], pa.string())
    valid = pa.py_buffer(bytes([0b101]))
    array = pa.Array.from_buffers(pa.string(), 3, [valid, *whole.buffers()[1:]])
    assert array.to_pylist() == ["abc", None, "h"]
    assert_one_column_same("string", array)


def test_a_null_list_that_has_items_behind_it_has_none_in_the_row():
    items = pa.array([1, 2, 3], pa.int64())
    offsets = pa.array([0, 1, 3, 3], pa.int32())
    array = pa.ListArray.from_arrays(offsets, items, mask=pa.array([False, True, False]))
    assert_one_column_same("list<int64>", array)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 3), pa.list_(pa.int64(), 3)], ids=str)
def test_embeddings_of_fixed_size(kind):
    array = pa.array([[1, 2, 3], None, [4, None, -(2**20)], [0, 0, 0]], pa.list_(kind.value_type)).cast(kind)
    assert_one_column_same(f"list<{kind.value_type}>".replace("float>", "float32>"), array)
    assert_one_column_same(f"list<{kind.value_type}>".replace("float>", "float32>"), array[1:3])


UUIDS = ["00112233-4455-6677-8899-aabbccddeeff", "FFEEDDCC-BBAA-9988-7766-554433221100", None]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(UUIDS),
        pa.array(UUIDS)[1:],
        pa.array([None, None], pa.string()),
        pa.array([*UUIDS, "{00112233-4455-6677-8899-aabbccddeeff}"]),
        pa.array([*UUIDS, "00112233445566778899aabbccddeeff"], pa.large_string()),
        pa.array([bytes(range(16)), None, b"\xff" * 16], pa.binary(16)),
        pa.array([bytes(range(16)), None, b"\xff" * 16], pa.binary(16))[1:],
        pa.array([bytes(range(16)), None], pa.binary()),
    ],
)
def test_uuids_in_every_spelling_have_one_text(array):
    assert_one_column_same("uuid", array)


@pytest.mark.parametrize("text", ["no", "00112233-4455-6677-8899-aabbccddeeff0", "g" * 8 + UUIDS[0][8:]])
def test_a_text_that_is_no_uuid_is_refused(text):
    with pytest.raises(UsageError, match=r"column 'f0': expected uuid, the warehouse gave string: '.*' is no UUID"):
        assert_one_column_same("uuid", pa.array([UUIDS[0], text]))


def test_text_that_is_not_utf8_is_refused_and_never_stored():
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(struct.pack("<2i", 0, 1)), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(UsageError, match="column 'f0': expected string, the warehouse gave string: Invalid UTF8"):
        assert_one_column_same("string", broken)


@pytest.mark.parametrize("days", [0, 1, 106_751, 106_752, 10**8, 999_999_999, 10**15])
@pytest.mark.parametrize(
    "event", [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(9999, 12, 31)]
)
def test_no_expiry_overflows(days, event):
    """Event times at both ends of the calendar, ttls up to what no 64 bits hold."""
    view = wide_view([], ttl_us=days * 86_400_000_000 + 1)
    times = pa.array([event, event + timedelta(microseconds=1) if event.year < 9999 else event], pa.timestamp("us"))
    assert_same(view, pa.record_batch({"k0": pa.array([1, 2], pa.int64()), "observed_at": times}))


def test_a_batch_without_rows_is_a_batch_without_rows():
    view = wide_view(sorted(KINDS), KEY_TYPES, ttl_us=1, created_at=LOADED)
    kinds = {f"f{number}": KINDS[each][1] for number, each in enumerate(sorted(KINDS))}
    keys = {f"k{number}": KINDS[each][1] for number, each in enumerate(KEY_TYPES)}
    times = {"observed_at": pa.timestamp("us"), "loaded_at": pa.timestamp("us", "UTC")}
    assert_same(view, pa.RecordBatch.from_pylist([], pa.schema({**kinds, **keys, **times})))


def test_a_list_column_does_not_change_the_columns_beside_it():
    """Row-wise cells (a struct) between others, in rows enough for every width."""
    count = 500
    numbers = np.arange(count) ** 3 - 10_000
    columns = {
        "f0": pa.array(numbers),
        "f1": pa.array([{"a": int(each), "b": None} for each in numbers]),
        "f2": pa.array([None if each % 7 == 0 else "é" * (each % 300) for each in range(count)]),
        "f3": pa.array([[int(each)] * (each % 20) for each in range(count)]),
        "f4": pa.array(numbers / 7),
    }
    types = ["int64", "struct<a bigint, b int>", "string", "list<int64>", "float64"]
    times = pa.array([datetime(2026, 1, 31)] * count, pa.timestamp("us"))
    assert_same(wide_view(types), pa.record_batch({"k0": pa.array(range(count)), "observed_at": times, **columns}))


def test_the_header_of_whole_columns_is_the_header_of_one_row():
    batch = pa.record_batch({"k0": [1], "observed_at": pa.array([date(2026, 1, 31)])})
    value = RowEncoder(wide_view([]), project="shop").encode(batch).rows.values[0].as_py()
    assert len(value) == HEADER.size
    assert msgspec.msgpack.decode(value) == RowDecoder().cells(value)
