"""What goes over the wire: Arrow's buffers as commands, keys as slots, greetings, globs."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import hiredis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.online.batches import batch_of
from featurestore.online.redis.guard import GUARD_SHA
from featurestore.online.redis.slots import count_slots, named_endpoint, read_slots, slot_of
from featurestore.online.redis.wire import BYTES_PER_CALL, ROWS_PER_CALL, GuardedCalls, NewRowCalls, bounds

BYTES = st.binary(max_size=40) | st.sampled_from([b"", b"\r\n", b"$3\r\n", b"x" * 2_000])


@st.composite
def batches(draw):
    rows = draw(st.lists(st.tuples(BYTES, BYTES, st.integers(1, 3) | st.integers(1, 2**62)), min_size=1, max_size=8))
    is_expiring = draw(st.booleans())
    return batch_of(
        [key for key, *_ in rows],
        [value for _, value, _ in rows],
        event_us=[0] * len(rows),
        created_us=[0] * len(rows),
        expires_ms=[expiry for *_, expiry in rows] if is_expiring else None,
    )


@given(batches())
def test_guarded_calls_are_what_hiredis_would_pack(batch):
    (call,) = GuardedCalls(batch)
    keys, values, expiries = lists(batch)
    runs = [(row + 1, each) for row, each in enumerate(expiries) if expiries[row + 1 : row + 2] != [each]]
    told = [each for run in runs for each in run]
    assert call.packed == hiredis.pack_command(("EVALSHA", GUARD_SHA, len(keys), *keys, *values, *told))
    if len(keys) > 1:
        ends = [(1, expiry) for expiry in expiries] or [()] * len(keys)
        assert [part.packed for part in call.parts()] == [
            hiredis.pack_command(("EVALSHA", GUARD_SHA, 1, key, value, *end))
            for key, value, end in zip(keys, values, ends, strict=True)
        ]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=700))
def test_a_run_of_one_expiry_is_told_to_each_call_it_reaches_into(expiries):
    rows = len(expiries)
    texts = [b"%d" % row for row in range(rows)]
    calls = GuardedCalls(batch_of(texts, texts, event_us=[0] * rows, created_us=[0] * rows, expires_ms=expiries))
    told = []
    for start, call in zip(range(0, rows, ROWS_PER_CALL), calls, strict=True):
        count = min(ROWS_PER_CALL, rows - start)
        reader = hiredis.Reader()
        reader.feed(call.packed)
        runs = [int(word) for word in reader.gets()[3 + 2 * count :]]
        assert runs[-2] == count
        before = [0, *runs[:-2:2]]
        told += [
            each for first, end, each in zip(before, runs[::2], runs[1::2], strict=True) for _ in range(first, end)
        ]
    assert told == expiries


@given(batches())
def test_rows_that_are_new_are_set_by_the_hundred_or_one_by_one(batch):
    call = NewRowCalls(batch)[0]
    keys, values, expiries = lists(batch)
    if not expiries and len(set(keys)) == len(keys):
        pairs = [each for pair in zip(keys, values, strict=True) for each in pair]
        assert (call.packed, call.count) == (hiredis.pack_command(("MSETNX", *pairs)), 1)
        return
    if len(set(keys)) == len(keys):
        rows = list(zip(keys, values, expiries, strict=True))
        runs = [list(each) for _, each in groupby(rows, key=itemgetter(2))]
        assert [made.packed for made in NewRowCalls(batch)] == [
            hiredis.pack_command(
                ("MSETEX", len(run), *[each for row in run for each in row[:2]], "NX", "PXAT", run[0][2])
            )
            for run in runs
        ]
    (call,) = NewRowCalls(batch, has_msetex=False)
    ends = [("PXAT", expiry) for expiry in expiries] or [()] * len(keys)
    commands = [("SET", key, value, "NX", *end) for key, value, end in zip(keys, values, ends, strict=True)]
    assert (call.packed, call.count) == (b"".join(map(hiredis.pack_command, commands)), len(keys))


@given(batches(), st.integers(0, 7), st.integers(0, 8))
def test_a_slice_of_a_batch_is_packed_as_its_rows_alone(batch, start, length):
    """Arrow's slices share buffers, and begin in their middle."""
    part = batch.take(pa.array(range(len(batch))[start : start + length], pa.int64()))
    sliced = type(batch)(
        keys=batch.keys.slice(start, length),
        values=batch.values.slice(start, length),
        event_us=batch.event_us.slice(start, length),
        created_us=batch.created_us.slice(start, length),
        expires_ms=None if batch.expires_ms is None else batch.expires_ms.slice(start, length),
    )
    assert [call.packed for call in GuardedCalls(sliced)] == [call.packed for call in GuardedCalls(part)]
    assert [call.packed for call in NewRowCalls(sliced)] == [call.packed for call in NewRowCalls(part)]


def lists(batch):
    expiries = [] if batch.expires_ms is None else batch.expires_ms.to_pylist()
    return batch.keys.to_pylist(), batch.values.to_pylist(), expiries


def test_a_batch_is_cut_where_the_slot_changes_and_where_a_call_is_full():
    seven = np.arange(8)
    assert bounds(seven, None, 3) == [(0, 0, 3), (0, 3, 6), (0, 6, 7)]
    assert bounds(seven, [5, 5, 5, 5, 9, 9, 1], 3) == [(5, 0, 3), (5, 3, 4), (9, 4, 6), (1, 6, 7)]
    assert bounds(np.zeros(1, np.int64), None, 3) == []
    assert bounds(np.zeros(1, np.int64), [], 3) == []


def test_a_call_of_wide_rows_has_fewer_of_them():
    third = BYTES_PER_CALL // 3
    sizes = [third, third, third, 1, third, 10 * BYTES_PER_CALL, 1, 1]
    found = bounds(np.cumsum([17, *sizes]), None, 100)
    assert found == [(0, 0, 4), (0, 4, 5), (0, 5, 6), (0, 6, 8)]
    wide = [b"x" * BYTES_PER_CALL, b"y", b"z"]
    made = GuardedCalls(batch_of([b"1", b"2", b"3"], wide, event_us=[0] * 3, created_us=[0] * 3))
    assert [call.packed.count(b"EVALSHA") for call in made] == [1, 1]
    assert [len(call.packed) > BYTES_PER_CALL for call in made] == [True, False]


@pytest.mark.parametrize(
    ("key", "same_as"),
    [
        (b"fs:shop:orders@0:{17}", b"17"),
        (b"fs:shop:users@v2:{17}", b"17"),
        (b"fs:shop:v@0:{}", None),
        (b"no braces", None),
        (b"}{x}", b"x"),
        (b"{{x}}", b"{x"),
        (b"{x", None),
    ],
)
def test_the_slot_is_that_of_the_first_braces_content(key, same_as):
    assert slot_of(key) == slot_of(key if same_as is None else same_as)


def test_slots_are_those_of_the_cluster_specification():
    assert slot_of(b"123456789") == 0x31C3
    assert slot_of(b"foo") == 12_182
    assert slot_of(b"") == 0


def test_who_has_which_slot_is_read_from_what_a_node_says():
    answer = [[0, 8_191, [b"10.0.0.1", 6379, b"id"]], [8_192, 16_383, [b"", 6380, b"id"], [b"10.0.0.9", 6379, b"id"]]]
    found = read_slots(answer, "asked")
    assert [(slots, master.name) for slots, master in found] == [
        (range(8_192), "10.0.0.1:6379"),
        (range(8_192, 16_384), "asked:6380"),
    ]
    assert count_slots(found) == 16_384
    assert count_slots(read_slots(answer[:1], "asked")) == 8_192, "some slots have no master"
    assert read_slots([], "asked") == []


def test_where_something_moved_to_is_read_from_the_refusal():
    assert named_endpoint("10.0.0.1:6379", "asked").name == "10.0.0.1:6379"
    assert named_endpoint(":6379", "asked").name == "asked:6379"
    assert named_endpoint("?:6379", "asked").name == "asked:6379", "its name is not known"
    assert named_endpoint("::1:6379", "asked").name == "[::1]:6379"
