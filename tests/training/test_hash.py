"""The hash of a training set: the same rows give the same value, however they come; other rows give another one."""

from __future__ import annotations

import struct
import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.training.hash import RowHasher, hash_table
from featurestore.training.hash_words import words
from featurestore.training.type_names import plain, type_name
from tests.training.plain_hash import Column, hash_rows, mix, sequence

DAY = date(2026, 6, 4)
NOON = datetime(2026, 6, 4, 12, 0, 0, 1)
COLUMNS = {
    "bool": pa.array([True, False, None]),
    "int8": pa.array([-1, 127, None], pa.int8()),
    "uint64": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "float": pa.array([1.5, float("nan"), None]),
    "half": pa.array(np.array([1.5, -0.0, 2], dtype=np.float16)),
    "text": pa.array(["", "a text of more than sixteen bytes, à la carte", None]),
    "bytes": pa.array([b"\x00", b"", None]),
    "fixed": pa.array([b"12345678", b"87654321", None], pa.binary(8)),
    "decimal": pa.array([Decimal("-1.50"), Decimal("99999999.99"), None], pa.decimal128(10, 2)),
    "wide": pa.array([Decimal(-1), Decimal(10**50), None], pa.decimal256(60, 0)),
    "date": pa.array([DAY, date(1, 1, 1), None]),
    "time": pa.array([NOON.time(), NOON.time(), None], pa.time64("us")),
    "naive": pa.array([NOON, NOON, None], pa.timestamp("us")),
    "nanos": pa.array([1, -1, None], pa.timestamp("ns")),
    "aware": pa.array([NOON.replace(tzinfo=timezone.utc)] * 2 + [None], pa.timestamp("us", "Asia/Kolkata")),
    "length": pa.array([timedelta(days=-1), timedelta(microseconds=1), None]),
    "list": pa.array([[1, None], [], None], pa.list_(pa.int64())),
    "lists": pa.array([[["a"], None], [[]], None]),
    "struct": pa.array([{"a": 1, "b": None}, {"a": None, "b": "x"}, None]),
    "map": pa.array([[("k", 1), ("l", None)], [], None], pa.map_(pa.string(), pa.int64())),
    "category": pa.array(["x", "y", None]).dictionary_encode(),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_value_has_the_word_that_the_page_defines(name):
    """Against plain Python, value by value."""
    column = COLUMNS[name]
    expected = [Column(name, type_name(column.type)).word(value) for value in python_values(column)]
    assert words(plain(column)).tolist() == expected


@pytest.mark.parametrize("name", COLUMNS)
def test_a_slice_of_a_column_has_the_words_of_its_values(name):
    """Arrow's buffers begin before a slice and go on after it."""
    column = pa.concat_arrays([COLUMNS[name]] * 3).slice(2, 5)
    whole = words(plain(pa.concat_arrays([COLUMNS[name]] * 3)))
    assert words(plain(column)).tolist() == whole[2:7].tolist()


def test_a_table_has_the_hash_that_the_page_defines():
    table = pa.table(COLUMNS)
    columns = [Column(field.name, type_name(field.type)) for field in table.schema]
    rows = list(zip(*(python_values(table.column(name).combine_chunks()) for name in COLUMNS), strict=True))
    assert hash_table(table) == hash_rows(columns, rows)


def python_values(column):
    """Values as the plain definition takes them: numbers for times, pairs for maps."""
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        scale = 1 if column.type.unit == "ns" else 1_000
        return [None if n is None else n * scale for n in column.view(pa.int64()).to_pylist()]
    if pa.types.is_time(column.type):
        return [None if n is None else n * 1_000 for n in column.view(pa.int64()).to_pylist()]
    return column.to_pylist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array(["a", "b"]), pa.array(["a", "b"]).dictionary_encode()),
        (pa.array(["a", "b"]), pa.array(["a", "b"], pa.large_string())),
        (pa.array(["a", "b"]), pa.array(["a", "b"], pa.string_view())),
        (pa.array(["a", None]), pa.DictionaryArray.from_arrays([0, None], pa.array(["a"], pa.string_view()))),
        (pa.array([[1], [2]]), pa.array([[1], [2]], pa.large_list(pa.int64()))),
        (pa.array([[1], [2]]), pa.array([[1], [2]], pa.list_(pa.int64(), 1))),
        (pa.array([NOON], pa.timestamp("us")), pa.array([NOON], pa.timestamp("ns"))),
        (pa.array([5], pa.timestamp("s")), pa.array([5000], pa.timestamp("ms"))),
        (pa.array([5], pa.timestamp("us", "UTC")), pa.array([5], pa.timestamp("us", "America/New_York"))),
        (pa.array([DAY], pa.date32()), pa.array([DAY], pa.date64())),
        (pa.array([0.0, float("nan")]), pa.array([-0.0, -float("nan")])),
        (pa.array([1, 1, 2]), pc.run_end_encode(pa.array([1, 1, 2]))),
    ],
    ids=lambda array: str(array.type),
)
def test_how_arrow_encodes_a_value_does_not_matter(one, other):
    assert hash_table(pa.table({"x": one})) == hash_table(pa.table({"x": other}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": [1]}, {"y": [1]}),
        ({"x": pa.array([1], pa.int32())}, {"x": pa.array([1], pa.int64())}),
        ({"x": pa.array([5], pa.timestamp("us"))}, {"x": pa.array([5], pa.timestamp("us", "UTC"))}),
        ({"x": ["a"]}, {"x": [b"a"]}),
        ({"x": [None, 1]}, {"x": [0, 1]}),
        ({"x": [""]}, {"x": pa.array([None], pa.string())}),
        ({"x": ["a", "a\x00"]}, {"x": ["a", "a"]}),
        ({"x": ["ab", "c"]}, {"x": ["a", "bc"]}),
        ({"x": [[1, 2], [3]]}, {"x": [[1], [2, 3]]}),
        ({"x": [[1, 2]]}, {"x": [[2, 1]]}),
        ({"x": [[]]}, {"x": pa.array([None], pa.list_(pa.null()))}),
        ({"x": [1, 1, 2]}, {"x": [1, 2, 2]}),
        ({"x": [1, 1]}, {"x": [1, 1, 1, 1]}),
        ({"x": [1, 2], "y": [1, 2]}, {"x": [1, 2], "y": [2, 1]}),
        ({"x": [1], "y": [2]}, {"x": [2], "y": [1]}),
        ({"x": pa.array([], pa.int64())}, {"x": pa.array([], pa.string())}),
        ({"x": pa.array([1], pa.timestamp("ns"))}, {"x": pa.array([0], pa.timestamp("ns"))}),
    ],
)  # fmt: skip
def test_other_data_has_another_hash(one, other):
    assert hash_table(pa.table(one)) != hash_table(pa.table(other))


VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.string(): st.text(max_size=40),
    pa.bool_(): st.booleans(),
    pa.timestamp("us"): st.datetimes(),
    pa.list_(pa.string()): st.lists(st.none() | st.text(max_size=9), max_size=3),
}


@st.composite
def tables(draw):
    types = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    rows = draw(st.integers(0, 20))
    columns = [draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows)) for kind in types]
    return pa.table({f"c{at}": pa.array(columns[at], kind) for at, kind in enumerate(types)})


@settings(max_examples=150)
@given(table=tables(), seed=st.integers(0, 99), size=st.integers(1, 7))
def test_neither_order_nor_chunks_matter_and_the_definition_is_met(table, seed, size):
    order = np.random.default_rng(seed).permutation(table.num_rows)
    hasher = RowHasher(table.schema)
    for batch in table.take(pa.array(order, pa.int64())).to_batches(max_chunksize=size):
        hasher.add(batch)
    columns = [Column(field.name, type_name(field.type)) for field in table.schema]
    rows = list(zip(*(python_values(column.combine_chunks()) for column in table.columns), strict=True))
    assert hasher.data_hash == hash_table(table) == hash_rows(columns, rows)
    assert [each.nulls for each in hasher.columns] == [column.null_count for column in table.columns]


def test_the_order_of_columns_does_not_matter_to_the_hash():
    table = pa.table(COLUMNS)
    assert hash_table(table.select(list(reversed(table.column_names)))) == hash_table(table)


def test_a_parquet_file_has_the_hash_of_the_rows_it_was_written_from(tmp_path):
    table = pa.table({**COLUMNS, "seconds": pa.array([1, 2, None], pa.timestamp("s"))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    assert hash_table(pq.read_table(tmp_path / "t.parquet")) == hash_table(table)


def test_the_spine_has_a_hash_of_its_own():
    table = pa.table({"id": [1, 2], "at": [3, 4], "feature": [5, 6]})
    hasher = RowHasher(table.schema, spine={"id", "at"})
    for batch in table.to_batches(max_chunksize=1):
        hasher.add(batch)
    assert hasher.spine_hash == hash_table(table.select(["id", "at"]))


def test_a_hundred_thousand_rows_of_thirty_columns_take_a_fraction_of_a_second():
    """0.07 s on a quiet machine; the test's bound is for a busy one, and for the best of three tries."""
    random = np.random.default_rng(1)
    numbers = {f"n{at}": random.normal(size=100_000) for at in range(25)}
    texts = {f"t{at}": pa.array([f"text {n}" for n in random.integers(0, 10**9, 100_000)]) for at in range(5)}
    table = pa.table({**numbers, **texts})
    took_s = []
    for _ in range(3):
        started = time.process_time()
        hash_table(table)
        took_s.append(time.process_time() - started)
    assert min(took_s) < 1.0


def test_the_plain_definition_mixes_as_splitmix64_does():
    """Its first two numbers from state 0, as published with the generator."""
    assert [f"{mix(0):016x}", f"{mix(0x9E3779B97F4A7C15):016x}"] == ["e220a8397b1dcdaf", "6e789e6aa1b965f4"]
    assert sequence(0, []) == mix(0)
    assert struct.pack("<q", -1) == b"\xff" * 8
