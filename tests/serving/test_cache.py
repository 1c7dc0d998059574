"""Rows kept for a moment in the client's process: bounded in number and age, never wrong for longer than that."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from featurestore.errors import UsageError
from featurestore.online.layouts import GENERATION
from featurestore.serving import connect
from featurestore.serving.cache import CACHE_ENTRIES, CACHE_SECONDS, RowCache, make_cache
from tests.serving.conftest import DAY, NOON, Listening, project, sync, turn_readers, view

ORDERS = view(features=(("n", "int64"),), ttl=7 * DAY)
A_SECOND, LONG = 1.0, 3_600.0


@pytest.fixture
def listening(store, clock):
    sync(store, ORDERS, *[{"customer_id": number, "n": number} for number in range(10)])
    return Listening(store)


def caching(listening, views=(ORDERS,), **bounds):
    """A client with a cache whose first request is made: the first look at the store's notes empties the cache."""
    client = connect(project(*views), listening, **bounds)
    client.get_online_features(["orders"], {"customer_id": [999]}, now=NOON)
    listening.asked.clear()
    return client


def n_of(client, *customers, now=NOON):
    return client.get_online_features(["orders:n"], {"customer_id": list(customers)}, now=now).to_dict()["n"]


def keys_asked(listening):
    return [key.decode().partition("{")[2].rstrip("}") for keys, _ in listening.asked for key in keys]


def test_rows_that_were_read_a_moment_ago_are_not_read_again_absent_ones_neither(listening):
    client = caching(listening, cache_seconds=LONG)
    assert n_of(client, 1, 77, 1) == [1, None, 1]
    assert n_of(client, 77, 2, 1) == [None, 2, 1]
    assert keys_asked(listening) == ["1", "77", "2"]


def test_without_bounds_nothing_is_kept(listening):
    client = connect(project(ORDERS), listening)
    assert (n_of(client, 1), n_of(client, 1)) == ([1], [1])
    assert keys_asked(listening) == ["1", "1"]


@pytest.mark.parametrize(
    ("given", "entries", "seconds"),
    [
        ((None, None), None, None),
        ((5, None), 5, CACHE_SECONDS),
        ((None, 9.0), CACHE_ENTRIES, 9.0),
        ((5, 9.0), 5, 9.0),
    ],
)
def test_one_bound_brings_the_other(given, entries, seconds):
    made = make_cache(*given)
    assert (made is None) == (entries is None)
    if made is not None:
        assert (made.entries, made.seconds) == (entries, seconds)


@pytest.mark.parametrize("bounds", [{"cache_entries": 0}, {"cache_seconds": 0.0}, {"cache_seconds": float("nan")}])
def test_bounds_that_are_not_positive_are_refused(store, bounds):
    with pytest.raises(UsageError, match="expected positive bounds of the cache"):
        connect(project(ORDERS), store, **bounds)


def test_a_row_is_kept_for_so_long_and_no_longer(store, listening, clock):
    client = caching(listening, cache_seconds=10.0)
    assert n_of(client, 1) == [1]
    sync(store, ORDERS, {"customer_id": 1, "n": 100})
    clock.now += 10.0
    assert n_of(client, 1) == [1]
    clock.now += 0.001
    assert n_of(client, 1) == [100]


def test_the_longest_unused_rows_leave_first():
    cache = RowCache(entries=3, seconds=LONG)
    shelf, now = cache.shelf, time.monotonic()
    cache.keep(shelf, [b"a", b"b", b"c"], [[1], [2], None], read_at=now)
    assert cache.find(shelf, [b"a"]) == {b"a": [1]}
    cache.keep(shelf, [b"d"], [[4]], read_at=now)
    assert cache.find(shelf, [b"a", b"b", b"c", b"d"]) == {b"a": [1], b"c": None, b"d": [4]}
    assert len(shelf) == 3


def test_a_request_for_more_rows_than_are_kept_is_answered_whole(listening):
    client = caching(listening, cache_entries=2, cache_seconds=LONG)
    assert n_of(client, *range(12)) == [*range(10), None, None]
    assert n_of(client, *range(12)) == [*range(10), None, None]


def test_ages_are_judged_at_each_request(listening):
    """P3: a kept row outlives its ttl in the cache, not in an answer."""
    client = caching(listening, cache_seconds=LONG)
    edge = NOON + 7 * DAY
    assert n_of(client, 1, now=edge) == [1]
    assert n_of(client, 1, now=edge + timedelta(microseconds=1)) == [None]
    assert n_of(client, 1, now=edge) == [1]
    assert keys_asked(listening) == ["1"]


def test_another_set_of_rows_empties_the_cache(store, listening, clock):
    client = caching(listening, cache_seconds=LONG)
    assert n_of(client, 1) == [1]
    sync(store, ORDERS, {"customer_id": 1, "n": 100}, row_set=1)
    turn_readers(store, ORDERS, 1, 0)
    assert n_of(client, 1) == [1]
    clock.now += A_SECOND
    assert n_of(client, 1) == [100], "the notes are asked for also when all rows are at hand"


def test_another_generation_empties_the_cache(store, listening, clock):
    """O8: the store was emptied and filled again."""
    client = caching(listening, cache_seconds=LONG)
    assert n_of(client, 1) == [1]
    store.delete([b"fs:shop:orders@0:{1}"])
    store.write_note(GENERATION, b"another")
    clock.now += A_SECOND
    n_of(client, 2)
    assert n_of(client, 1) == [None]


def test_a_row_that_was_being_read_when_the_cache_was_emptied_is_not_kept():
    cache = RowCache(entries=10, seconds=LONG)
    before = cache.shelf
    cache.clear()
    cache.keep(before, [b"a"], [[1]], read_at=time.monotonic())
    assert cache.find(cache.shelf, [b"a"]) == {}


def test_rows_at_hand_are_answered_while_the_store_cannot_be_reached(listening, clock):
    client = caching(listening, cache_seconds=LONG)
    assert n_of(client, 1) == [1]
    listening.refuses = lambda keys, notes: True
    clock.now += A_SECOND
    assert n_of(client, 1) == [1]


def test_what_a_caller_does_to_a_list_is_not_seen_by_the_next(store):
    tags = view(features=(("tags", "list<string>"), ("more", "struct<a integer>"), ("prices", "list<date>")))
    day = NOON.date()
    sync(store, tags, {"customer_id": 1, "tags": ["a"], "more": {"a": 1}, "prices": [day]})
    client = caching(Listening(store), views=(tags,), cache_seconds=LONG)
    for _ in range(2):
        found = client.get_online_features(["orders"], [{"customer_id": 1}], now=NOON).to_dict()
        assert found == {"customer_id": [1], "tags": [["a"]], "more": [{"a": 1}], "prices": [[day]]}
        found["tags"][0].append("b")
        found["more"][0]["a"] = 2
        found["prices"][0].clear()


def test_two_plans_share_the_rows_of_a_view(listening):
    client = caching(listening, cache_seconds=LONG)
    n_of(client, 1)
    response = client.get_online_features(["orders"], {"customer_id": [1]}, full_feature_names=True, now=NOON)
    assert response.to_dict()["orders__n"] == [1]
    assert keys_asked(listening) == ["1"]
