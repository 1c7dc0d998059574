"""What every online store promises (SEMANTICS O1, O2, O7), on each of them."""

from __future__ import annotations

import itertools
import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import OnlineStoreError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.rows import HIGHEST, LOWEST, batch, key, number_in, write_shuffled

KEY, OTHER = key(1), key(2)
NONE = NO_CREATED_TIME
fresh_numbers = itertools.count(1000)


@pytest.mark.parametrize(
    ("rule", "stored", "written", "lands"),
    [
        ("O1 a newer row replaces", (10, NONE), (11, NONE), True),
        ("O1 an older row does not", (10, NONE), (9, NONE), False),
        ("O1 an equal pair overwrites, so that a correction lands", (10, 5), (10, 5), True),
        ("O1 of one event time the later created wins", (10, 5), (10, 6), True),
        ("O1 and the earlier created loses", (10, 5), (10, 4), False),
        ("O1 the event time comes first", (10, 99), (11, 1), True),
        ("P4 no created time ranks lowest", (10, LOWEST + 1), (10, NONE), False),
        ("P4 any created time beats none", (10, NONE), (10, LOWEST + 1), True),
        ("O1 before 1970 too", (-1, NONE), (-2, NONE), False),
        ("O1 across 1970", (-1, NONE), (0, NONE), True),
        ("O1 exact where doubles are not: one microsecond later", (2**53, NONE), (2**53 + 1, NONE), True),
        ("O1 exact where doubles are not: one microsecond earlier", (2**53 + 1, NONE), (2**53, NONE), False),
        ("O1 the low word is unsigned", (2**31 - 1, NONE), (2**31, NONE), True),
        ("O1 the least time", (LOWEST + 1, NONE), (LOWEST, NONE), False),
        ("O1 the greatest time", (HIGHEST - 1, NONE), (HIGHEST, NONE), True),
        ("O1 created times are as exact", (0, HIGHEST), (0, HIGHEST - 1), False),
    ],
)
def test_which_write_lands(store, rule, stored, written, lands):
    assert store.write(batch((KEY, 1, *stored))) == 1, rule
    assert store.write(batch((KEY, 2, *written))) == lands, rule
    assert number_in(store.read([KEY])[0]) == (2 if lands else 1), rule


TIMES = st.sampled_from([LOWEST, LOWEST + 1, -(2**53) - 1, -(2**53), -1, 0, 1, 2**31, 2**32, 2**53, 2**53 + 1, HIGHEST])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(st.tuples(st.integers(0, 2), TIMES, TIMES), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
)
def test_after_any_order_repetition_and_batching_each_key_holds_its_newest_row(store, events, cuts):
    """O1; of equal pairs the last written."""
    base = next(fresh_numbers) * 10
    rows = [(key(base + which), number, event, created) for number, (which, event, created) in enumerate(events)]
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for start, end in itertools.pairwise(edges):
        store.write(batch(*rows[start:end]))
    for each in {row[0] for row in rows}:
        newest = max((row for row in rows if row[0] == each), key=lambda row: (row[2], row[3], row[1]))
        assert number_in(store.read([each])[0]) == newest[1]


def test_one_key_several_times_in_a_batch_counts_each_row_that_landed(store):
    """O1"""
    assert store.write(batch((KEY, 1, 5, NONE), (KEY, 2, 7, NONE), (KEY, 3, 6, NONE), (OTHER, 4, 1, NONE))) == 3
    assert [number_in(row) for row in store.read([KEY, OTHER])] == [2, 4]


def test_a_batch_larger_than_one_script_call_lands_whole(store):
    rows = [(key(number), number, 1, NONE) for number in range(5_000)]
    assert store.write(batch(*rows)) == 5_000
    assert store.write(batch(*rows)) == 5_000, "O1 a re-run is idempotent: equal pairs land again"
    assert store.write(batch(*[(each, -1, 0, NONE) for each, *_ in rows])) == 0
    assert [number_in(row) for row in store.read([row[0] for row in rows])] == list(range(5_000))


def test_reads_keep_order_and_duplicates_and_answer_none_for_unknown_keys(store):
    store.write(batch((KEY, 1, 0, NONE), (OTHER, 2, 0, NONE)))
    asked = [OTHER, key(3), KEY, OTHER, KEY]
    assert [number_in(row) for row in store.read(asked)] == [2, None, 1, 2, 1]
    assert store.read([]) == []


def test_an_empty_batch_writes_nothing(store):
    assert store.write(batch()) == 0


def test_keys_are_bytes_and_may_hold_any(store):
    names = ["", "a|b", "%7C", "ключ", "\x00", "{x}", " ", "a" * 5_000]
    rows = [(b"fs:shop:v@0:{%b}" % name.encode(), index, 0, NONE) for index, name in enumerate(names)]
    store.write(batch(*rows))
    assert [number_in(row) for row in store.read([row[0] for row in rows])] == list(range(len(names)))


def test_delete_removes_rows_and_says_how_many_there_were(store):
    store.write(batch((KEY, 1, 9, NONE), (OTHER, 2, 9, NONE)))
    assert store.delete([KEY, key(3)]) == 1
    assert store.read([KEY]) == [None]
    assert number_in(store.read([OTHER])[0]) == 2
    assert store.write(batch((KEY, 3, 1, NONE))) == 1, "a deleted row guards nothing"


def test_notes_are_kept_replaced_and_apart_per_project(store, open_again):
    assert store.read_note("watermark") is None
    store.write_note("watermark", b"1")
    store.write_note("watermark", b"\x00\xff")
    assert open_again().read_note("watermark") == b"\x00\xff"
    assert open_again("other").read_note("watermark") is None
    assert store.read_note("Watermark") is None


def test_what_was_written_is_there_when_the_store_is_opened_again(store, open_again):
    store.write(batch((KEY, 1, 0, NONE)))
    store.close()
    assert number_in(open_again().read([KEY])[0]) == 1


def test_a_row_is_forgotten_when_it_expires_and_not_before(store):
    now_ms = time.time_ns() // 1_000_000
    store.write(batch((KEY, 1, 0, NONE), (OTHER, 2, 0, NONE), expires_ms=[now_ms + 60_000, 1]))
    assert [number_in(row) for row in store.read([KEY, OTHER])] == [1, None]


def test_an_expired_row_guards_nothing(store):
    store.write(batch((KEY, 1, 9, NONE), expires_ms=[1]))
    assert store.write(batch((KEY, 2, 3, NONE))) == 1
    assert number_in(store.read([KEY])[0]) == 2
    assert store.delete([KEY]) == 1


def test_a_row_written_without_expiry_does_not_inherit_one(store):
    soon = time.time_ns() // 1_000_000 + 150
    store.write(batch((KEY, 1, 0, NONE), (OTHER, 1, 0, NONE), expires_ms=[soon, soon]))
    store.write(batch((KEY, 2, 1, NONE)))
    while store.read([OTHER]) != [None]:
        time.sleep(0.02)
    assert number_in(store.read([KEY])[0]) == 2


def test_a_reader_never_sees_a_mix_of_two_rows(store, open_again):
    """O2"""
    store.write(batch((KEY, 0, 0, NONE)))
    writer, done = open_again(), threading.Event()

    def overwrite():
        for number in range(1, 400):
            writer.write(batch((KEY, number, number, NONE)))
        done.set()

    thread = threading.Thread(target=overwrite)
    thread.start()
    seen = [number_in(store.read([KEY])[0])]
    while not done.is_set():
        seen.append(number_in(store.read([KEY])[0]))
    thread.join()
    assert seen == sorted(seen), "O1 and never an older one after a newer one"
    assert number_in(store.read([KEY])[0]) == 399


def test_four_processes_that_write_in_any_order_leave_no_stale_key(shared_store_uri):
    """O1, O2: the guard is inside the store; a read-then-write in the client fails here."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    writers = [
        context.Process(target=write_shuffled, args=(shared_store_uri, seed, 60, 40, 50, barrier)) for seed in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    assert numbers_in(shared_store_uri, keys=60) == [39] * 60


def test_a_killed_writer_leaves_whole_rows_and_a_rerun_finishes_the_job(shared_store_uri):
    """O7"""
    root = Path(__file__).parents[2]
    for seconds in (0.0, 0.01, 0.05):
        writer = subprocess.Popen([sys.executable, "-m", "tests.online.rows", shared_store_uri], cwd=root)
        try:
            while not any(number is not None for number in numbers_if_any(shared_store_uri, keys=300)):
                assert writer.poll() is None
                time.sleep(0.01)
            time.sleep(seconds)
        finally:
            writer.kill()
            writer.wait()
        assert all(number is None or 0 <= number < 20 for number in numbers_in(shared_store_uri, keys=300))
    write_shuffled(shared_store_uri, seed=1, keys=300, versions=20)
    assert numbers_in(shared_store_uri, keys=300) == [19] * 300


def numbers_in(uri, keys):
    store = open_online_store(uri, project="shop", base_dir=Path())
    try:
        return [number_in(row) for row in store.read([key(each) for each in range(keys)])]
    finally:
        store.close()


def numbers_if_any(uri, keys):
    try:
        return numbers_in(uri, keys)
    except OnlineStoreError:
        return []  # the writer has not made the file yet
