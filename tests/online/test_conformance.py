"""What every online store promises (SEMANTICS O1, O2, O7), on each of them."""

from __future__ import annotations

import itertools
import time
from importlib.metadata import entry_points

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.plugins import ONLINE_STORES
from tests.online.conftest import STORES
from tests.online.rows import HIGHEST, LOWEST, batch, key, number_in

KEY, OTHER = key(1), key(2)
NONE = NO_CREATED_TIME
FAR_MS = 4_000_000_000_000
fresh_numbers = itertools.count(1000)


def test_every_store_that_is_installed_runs_in_this_suite():
    """A store may have several schemes; one of each is opened here."""
    installed = entry_points(group=ONLINE_STORES)
    assert {installed[scheme].value for scheme in STORES} == {each.value for each in installed}


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


@settings(max_examples=60)
@given(
    events=st.lists(st.tuples(st.integers(0, 2), TIMES, TIMES), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    hints=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_after_any_order_repetition_and_batching_each_key_holds_its_newest_row(store, events, cuts, hints):
    """O1; of equal pairs the last written; what a writer expects of the store changes nothing."""
    base = next(fresh_numbers) * 10
    rows = [(key(base + which), number, event, created) for number, (which, event, created) in enumerate(events)]
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for start, end in itertools.pairwise(edges):
        store.write(batch(*rows[start:end]), expect_new=hints[start])
    for each in {row[0] for row in rows}:
        newest = max((row for row in rows if row[0] == each), key=lambda row: (row[2], row[3], row[1]))
        assert number_in(store.read([each])[0]) == newest[1]


def test_one_key_several_times_in_a_batch_counts_each_row_that_landed(store):
    """O1"""
    assert store.write(batch((KEY, 1, 5, NONE), (KEY, 2, 7, NONE), (KEY, 3, 6, NONE), (OTHER, 4, 1, NONE))) == 3
    assert [number_in(row) for row in store.read([KEY, OTHER])] == [2, 4]


@pytest.mark.parametrize("expect_new", [False, True])
def test_of_rows_that_are_expected_to_be_new_the_newest_still_wins(store, expect_new):
    """O1"""
    assert store.write(batch((KEY, 1, 5, NONE)), expect_new=True) == 1
    assert store.write(batch((OTHER, 1, 1, NONE), (KEY, 2, 4, NONE)), expect_new=expect_new) == 1, "older"
    assert store.write(batch((OTHER, 2, 1, NONE), (KEY, 3, 5, 7)), expect_new=expect_new) == 2, "equal, and newer"
    assert store.write(batch((KEY, 4, 6, NONE), (KEY, 5, 8, NONE), (KEY, 6, 7, NONE)), expect_new=expect_new) == 2
    assert [number_in(row) for row in store.read([KEY, OTHER])] == [5, 2]


@settings(max_examples=25)
@given(
    stored=st.none() | st.tuples(st.integers(0, 3), st.booleans()),
    written=st.lists(st.tuples(st.integers(0, 3), st.just(True)), min_size=1, max_size=6),
)
def test_a_batch_counts_and_ends_as_its_rows_one_by_one_would(store, stored, written):
    """O1; also where the stored row has expired already and guards nothing."""
    fresh = next(fresh_numbers)
    whole, single = key(10**7 + fresh), key(10**8 + fresh)

    def rows(each, events):
        expiries = [FAR_MS if lives else 1 for _, lives in events]
        return batch(*[(each, at, event, NONE) for at, (event, _) in enumerate(events)], expires_ms=expiries)

    if stored is not None:
        store.write(rows(whole, [stored]))
        store.write(rows(single, [stored]))
    one_by_one = 0
    for at, (event, _) in enumerate(written):
        one_by_one += store.write(batch((single, at, event, NONE), expires_ms=[FAR_MS]))
    assert store.write(rows(whole, written)) == one_by_one
    assert number_in(store.read([whole])[0]) == number_in(store.read([single])[0])


def test_a_large_batch_lands_whole(store, pace):
    rows = [(key(number), number, 1, NONE) for number in range(pace.rows)]
    assert store.write(batch(*rows), expect_new=True) == pace.rows
    assert store.write(batch(*rows)) == pace.rows, "O1 a re-run is idempotent: equal pairs land again"
    assert store.write(batch(*[(each, -1, 0, NONE) for each, *_ in rows])) == 0
    assert [number_in(row) for row in store.read([row[0] for row in rows])] == list(range(pace.rows))


def test_reads_keep_order_and_duplicates_and_answer_none_for_unknown_keys(store):
    store.write(batch((KEY, 1, 0, NONE), (OTHER, 2, 0, NONE)))
    asked = [OTHER, key(3), KEY, OTHER, KEY]
    assert [number_in(row) for row in store.read(asked)] == [2, None, 1, 2, 1]
    assert store.read([]) == []


def test_what_a_sync_fetches_is_what_a_lookup_reads(store, pace):
    """Order, duplicates, rows that are not there or have expired; more of them than one command takes."""
    rows = [(key(number), number, 0, NONE) for number in range(pace.rows)]
    store.write(batch(*rows))
    store.write(batch((OTHER, -1, 1, NONE), expires_ms=[1]))
    asked = [each for each, *_ in reversed(rows)] + [KEY, b"fs:shop:orders@0:{nobody}", KEY]
    found = store.fetch(asked)
    assert found == store.read(asked)
    assert [number_in(row) for row in found[:3]] == [pace.rows - 1, pace.rows - 2, pace.rows - 3]
    assert [number_in(row) for row in found[-3:]] == [1, None, 1]
    assert found[asked.index(OTHER)] is None
    assert store.fetch([]) == []


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
