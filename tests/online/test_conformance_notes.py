"""What every online store promises about notes and leases, on each of them (SEMANTICS O6, O8, O9 rest on them)."""

from __future__ import annotations

import time

import pytest

from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.racers import hold_in_turn, in_processes, swap_in_rounds
from tests.online.rows import batch, key, number_in

NONE = NO_CREATED_TIME


def test_notes_are_kept_replaced_and_apart_per_project(store, open_again):
    assert store.read_note("watermark") is None
    store.write_note("watermark", b"1")
    store.write_note("watermark", b"\x00\xff")
    assert open_again().read_note("watermark") == b"\x00\xff"
    assert open_again("other").read_note("watermark") is None
    assert store.read_note("Watermark") is None


def test_a_note_may_be_empty_or_large_or_have_any_name(store):
    held = {"empty": b"", "large": bytes(range(256)) * 400, "ключ %_*?[x]": b"1", "view:orders@0": b"2"}
    for name, content in held.items():
        store.write_note(name, content)
    assert {name: store.read_note(name) for name in held} == held


def test_rows_and_notes_are_read_at_once_each_in_its_order(store):
    store.write(batch((key(1), 1, 0, NONE), (key(2), 2, 0, NONE)))
    store.write_note("a", b"1")
    store.write_note("b", b"2")
    found = store.read([key(2), key(3), key(1), key(2)], ["b", "missing", "a", "b"])
    assert [number_in(row) for row in found[:4]] == [2, None, 1, 2]
    assert found[4:] == [b"2", None, b"1", b"2"]
    assert store.read([], ["a"]) == [b"1"]


def test_a_row_and_a_note_of_one_name_are_two_things(store):
    """O9: what is read for a row is never a note."""
    store.write(batch((b"fs:shop:orders@0:{1}", 1, 0, NONE)))
    store.write_note("fs:shop:orders@0:{1}", b"note")
    row, note = store.read([b"fs:shop:orders@0:{1}"], ["fs:shop:orders@0:{1}"])
    assert number_in(row) == 1
    assert note == b"note"
    store.delete([b"fs:shop:orders@0:{1}"])
    assert store.read_note("fs:shop:orders@0:{1}") == b"note"


@pytest.mark.parametrize(
    ("said", "held", "old", "new", "is_swapped"),
    [
        ("a note that is still the old one is replaced", b"1", b"1", b"2", True),
        ("also by itself", b"1", b"1", b"1", True),
        ("one that is not stays", b"1", b"0", b"2", False),
        ("one that differs at its end stays", b"1", b"1\x00", b"2", False),
        ("an absent one is made where none was expected", None, None, b"2", True),
        ("one that is there is not made anew", b"1", None, b"2", False),
        ("an empty note is a note", b"", None, b"2", False),
        ("and can be replaced", b"", b"", b"2", True),
        ("an absent one is not the empty one", None, b"", b"2", False),
        ("a note is removed", b"1", b"1", None, True),
        ("one that changed is not removed", b"1", b"0", None, False),
        ("an absent one is not removed", None, b"1", None, False),
        ("where there is none and none shall be", None, None, None, True),
        ("where there is one and none was expected", b"1", None, None, False),
    ],
)
def test_which_swap_of_a_note_happens(store, said, held, old, new, is_swapped):
    if held is not None:
        store.write_note("state", held)
    assert store.swap_note("state", old, new) is is_swapped, said
    assert store.read_note("state") == (new if is_swapped else held), said


def test_swaps_are_apart_per_project(store, open_again):
    store.write_note("state", b"1")
    other = open_again("other")
    assert not other.swap_note("state", b"1", b"2")
    assert other.swap_note("state", None, b"3")
    assert store.read_note("state") == b"1"


def test_of_four_processes_that_swap_one_note_exactly_one_succeeds_in_each_round(shared_store_uri, pace):
    won = in_processes(4, swap_in_rounds, shared_store_uri, pace.rounds)
    assert sorted(round_ for rounds in won for round_ in rounds) == list(range(pace.rounds))


def test_notes_are_named_by_prefix_sorted_and_apart_per_project(store, open_again):
    for name in ["view:b", "view:a", "view:a%b", "view:A", "view_x", "layout:a", "view:é", "view*"]:
        store.write_note(name, b"1")
    open_again("other").write_note("view:other", b"1")
    open_again("sho").write_note("view:sho", b"1")
    assert store.notes("view:") == ["view:A", "view:a", "view:a%b", "view:b", "view:é"]
    assert store.notes("view:a") == ["view:a", "view:a%b"]
    assert store.notes("view*") == ["view*"]
    assert store.notes("view_") == ["view_x"]
    assert store.notes("vie?") == []
    assert len(store.notes("")) == 8
    store.swap_note("view:b", b"1", None)
    assert "view:b" not in store.notes("view:")


def test_before_anything_was_written_there_are_no_notes(store):
    assert store.notes("") == []
    assert store.read_note("state") is None
    assert not store.swap_note("state", b"1", b"2")
    store.end_lease("sync", "me")


def test_a_lease_is_refused_while_another_holds_it_and_says_who(store, open_again):
    assert store.take_lease("sync:orders", "host one: 17", 60) == "host one: 17"
    assert open_again().take_lease("sync:orders", "host two: 18", 60) == "host one: 17"
    assert store.take_lease("sync:users", "host two: 18", 60) == "host two: 18", "each name is its own lease"
    assert open_again("other").take_lease("sync:orders", "host two: 18", 60) == "host two: 18", "and each project"


def test_a_lease_that_was_given_back_is_free_and_only_its_holder_can_give_it(store):
    store.take_lease("sync", "one", 60)
    store.end_lease("sync", "two")
    assert store.take_lease("sync", "two", 60) == "one"
    store.end_lease("sync", "one")
    assert store.take_lease("sync", "two", 60) == "two"


def test_a_lease_ends_by_itself(store):
    store.take_lease("sync", "one", 60)
    assert store.take_lease("sync", "two", 60) == "one"
    store.take_lease("sync", "one", 0.3)
    store.take_lease("never prolonged", "one", 0.3)
    time.sleep(0.4)
    for name in ("sync", "never prolonged"):
        assert store.take_lease(name, "two", 60) == "two"
        store.end_lease(name, "one")
        assert store.take_lease(name, "one", 60) == "two", "the former holder cannot end it"


def test_a_lease_is_prolonged_by_its_holder(store):
    store.take_lease("sync", "one", 0.3)
    for _ in range(2):
        assert store.take_lease("sync", "one", 60) == "one"
    time.sleep(0.4)
    assert store.take_lease("sync", "two", 60) == "one"
    store.take_lease("sync", "one", 0.01)
    time.sleep(0.1)
    assert store.take_lease("sync", "two", 60) == "two", "it can be made shorter too"


def test_a_lease_can_be_read_and_reading_neither_takes_nor_prolongs_it(store, open_again):
    assert store.read_lease("sync:orders") is None
    store.take_lease("sync:orders", "host one: 17", 60)
    found = open_again().read_lease("sync:orders")
    assert found.owner == "host one: 17"
    assert 40 < found.ends_in_s <= 60.5
    assert open_again("other").read_lease("sync:orders") is None, "each project has its own"
    store.take_lease("sync:users", "host two: 18", 2)
    found = store.read_lease("sync:users")
    assert found is None or 0 <= found.ends_in_s <= 3, "it may have ended already"
    given_up_at = time.monotonic() + 30
    while store.read_lease("sync:users") is not None and time.monotonic() < given_up_at:
        time.sleep(0.1)
    assert store.read_lease("sync:users") is None, "it ended by itself, however often it was read"
    assert store.take_lease("sync:users", "host three: 19", 60) == "host three: 19", "and was not prolonged"
    store.end_lease("sync:orders", "host one: 17")
    assert store.read_lease("sync:orders") is None
    store.take_lease("sync:orders", "host one: 17", 2)
    store.take_lease("sync:orders", "host one: 17", 60)
    assert store.read_lease("sync:orders").ends_in_s > 50, "prolonged by its holder"


def test_a_lease_is_no_note_and_no_row(store):
    store.take_lease("sync", "one", 60)
    assert store.read_note("sync") is None
    assert store.notes("") == []
    assert list(store.keys(b"fs:shop:")) == []


def test_two_processes_never_hold_one_lease_at_once(shared_store_uri, pace, tmp_path):
    turns = in_processes(2, hold_in_turn, shared_store_uri, pace.rounds // 4, tmp_path / "held")
    assert turns == [pace.rounds // 4] * 2
