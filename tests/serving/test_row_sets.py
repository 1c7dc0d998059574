"""Which rows a client reads: the set in use, as the store's notes say; and what it does without notes (O8)."""

from __future__ import annotations

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.layouts import GENERATION
from featurestore.online.state import state_note
from featurestore.serving import connect
from featurestore.serving.lookup import QUICK_FAILURE_S
from featurestore.serving.row_sets import NOTES_FOLLOWED_S
from tests.serving.conftest import Listening, project, sync, turn_readers, view

ORDERS = view(features=(("n", "int64"),))
A_SECOND = 1.0
OLD, NEW = {"customer_id": 1, "n": 1}, {"customer_id": 1, "n": 2}


def n_of(client, *customers):
    return client.get_online_features(["orders:n"], {"customer_id": list(customers)}).to_dict()["n"]


@pytest.fixture
def listening(store):
    return Listening(store)


@pytest.fixture
def client(listening, clock):
    return connect(project(ORDERS), listening)


def test_a_client_reads_the_set_in_use_from_its_first_request_on(store, client, listening):
    sync(store, ORDERS, OLD)
    sync(store, ORDERS, NEW, row_set=3)
    turn_readers(store, ORDERS, 3, 0)
    assert n_of(client, 1) == [2]
    assert len(listening.asked) == 2, "once from the first set, where most views are, and once more"
    assert n_of(client, 1, 2) == [2, None]
    assert listening.asked[2:] == [([b"fs:shop:orders@0+3:{1}", b"fs:shop:orders@0+3:{2}"], [])]


def test_readers_that_are_turned_to_another_set_follow_within_a_second(store, client, listening, clock):
    sync(store, ORDERS, OLD)
    assert n_of(client, 1) == [1]
    sync(store, ORDERS, NEW, row_set=1)
    assert n_of(client, 1) == [1], "rows of a set that nobody was turned to are not seen"
    turn_readers(store, ORDERS, 1, 0)
    assert n_of(client, 1) == [1], "the notes are asked for once a second"
    clock.now += A_SECOND
    listening.asked.clear()
    assert n_of(client, 1) == [2]
    asked_from = [keys for keys, _ in listening.asked]
    assert asked_from == [[b"fs:shop:orders@0:{1}"], [b"fs:shop:orders@0+1:{1}"]]


def test_the_rows_of_the_old_set_may_be_gone_when_a_client_that_slept_comes_back(store, client, clock):
    sync(store, ORDERS, OLD)
    assert n_of(client, 1) == [1]
    sync(store, ORDERS, NEW, row_set=1)
    turn_readers(store, ORDERS, 1)
    store.delete([b"fs:shop:orders@0:{1}"])
    clock.now += A_SECOND
    assert n_of(client, 1) == [2]


def test_another_plan_of_the_client_knows_the_set_already(store, client, listening):
    sync(store, ORDERS, NEW, row_set=1)
    turn_readers(store, ORDERS, 1)
    n_of(client, 1)
    listening.asked.clear()
    response = client.get_online_features(["orders"], [{"customer_id": 1}], full_feature_names=True)
    assert (response.to_dict()["orders__n"], len(listening.asked)) == ([2], 1)


def test_each_view_of_a_request_has_its_own_set(store):
    spend = view("spend", features=(("total", "int64"),))
    sync(store, ORDERS, NEW, row_set=2)
    sync(store, spend, {"customer_id": 1, "total": 9})
    turn_readers(store, ORDERS, 2)
    response = connect(project(ORDERS, spend), store).get_online_features(
        ["orders:n", "spend:total"], [{"customer_id": 1}]
    )
    assert response.rows() == [{"customer_id": 1, "n": 2, "total": 9}]


def test_rows_kept_by_other_join_keys_are_an_error_that_says_both_and_what_to_do(store, client):
    by_city = view(keys=(("city", "string"), ("customer_id", "string")), features=(("n", "int64"),))
    sync(store, by_city, {"city": "A", "customer_id": "1", "n": 1}, row_set=1)
    turn_readers(store, by_city, 1)
    with pytest.raises(OnlineStoreError) as problem:
        n_of(client, 1)
    assert str(problem.value) == (
        "the online rows of feature view orders are kept by city (string), customer_id (string),"
        " and these definitions ask by customer_id (int64)\n"
        "  -> open the client again to read the newest definitions; if they are, run featurestore materialize"
    )
    sync(store, ORDERS, NEW, row_set=2)
    turn_readers(store, ORDERS, 2)
    assert n_of(client, 1) == [2], "the next request asks again"


def test_an_unreadable_note_says_nothing(store, client):
    sync(store, ORDERS, OLD)
    store.write_note(state_note(ORDERS), b"\xff not JSON")
    assert n_of(client, 1) == [1]


def test_in_a_store_that_was_emptied_a_row_that_is_there_is_right_and_a_missing_one_means_nothing(store, client, clock):
    """O8: e.g. emptied in the middle of a sync, whose later rows still land."""
    sync(store, ORDERS, OLD)
    assert n_of(client, 1, 2) == [1, None]
    store.swap_note(GENERATION, store.read_note(GENERATION), None)
    clock.now += A_SECOND
    assert n_of(client, 1) == [1]
    with pytest.raises(OnlineStoreError, match=r"was emptied or never filled.*\n  -> run featurestore materialize"):
        n_of(client, 1, 2)
    sync(store, ORDERS, OLD)
    assert n_of(client, 1, 2) == [1, None], "a store that is filled again is noticed at once"


def test_notes_that_cannot_be_read_for_a_while_fail_no_lookup_that_has_rows(store, client, listening, clock):
    """E.g. a cluster that lacks the node of a note."""
    sync(store, ORDERS, OLD)
    assert n_of(client, 1, 2) == [1, None]
    clock.now += A_SECOND
    listening.asked.clear()
    listening.refuses = lambda keys, notes: bool(notes)
    for _ in range(3):
        assert n_of(client, 1, 2) == [1, None]
    tried = [bool(notes) for _, notes in listening.asked]
    assert tried == [True, False, True, False, False], "with the rows, apart, and then not for a second"
    with pytest.raises(OnlineStoreError, match="refused"):
        n_of(client, 2)
    listening.refuses = lambda keys, notes: False
    assert n_of(client, 2) == [None]
    clock.now += A_SECOND
    listening.asked.clear()
    assert n_of(client, 1) == [1]
    assert [(len(keys), len(notes)) for keys, notes in listening.asked] == [(1, 2)], "together again"


def test_which_rows_are_meant_is_never_guessed(store, client, listening, clock):
    """Without the notes of some minutes the first set might be read, though another has long been in use."""
    sync(store, ORDERS, OLD)
    sync(store, ORDERS, NEW, row_set=1)
    turn_readers(store, ORDERS, 1, 0)
    listening.refuses = lambda keys, notes: bool(notes)
    with pytest.raises(OnlineStoreError, match="refused"):
        n_of(client, 1)
    listening.refuses = lambda keys, notes: False
    assert n_of(client, 1) == [2]
    clock.now += A_SECOND
    listening.refuses = lambda keys, notes: bool(notes)
    assert n_of(client, 1) == [2]
    clock.now += NOTES_FOLLOWED_S
    with pytest.raises(OnlineStoreError, match="refused"):
        n_of(client, 1)


def test_the_set_is_still_followed_when_rows_and_notes_can_only_be_read_apart(store, client, listening, clock):
    """E.g. a cluster, one of whose nodes is down for a while."""
    sync(store, ORDERS, OLD)
    listening.refuses = lambda keys, notes: bool(keys and notes)
    assert n_of(client, 1) == [1]
    sync(store, ORDERS, NEW, row_set=1)
    turn_readers(store, ORDERS, 1, 0)
    clock.now += A_SECOND
    assert n_of(client, 1) == [2]


def test_a_store_that_hangs_is_not_waited_for_twice(store, client, listening, clock):
    def hangs(keys, notes):
        clock.now += QUICK_FAILURE_S * 1.5
        return True

    sync(store, ORDERS, OLD)
    listening.refuses = hangs
    with pytest.raises(OnlineStoreError, match="refused"):
        n_of(client, 1)
    assert len(listening.asked) == 1
    listening.refuses = lambda keys, notes: False
    assert n_of(client, 1) == [1]


def test_a_store_that_cannot_be_reached_fails_also_without_the_notes(store, client, listening):
    listening.refuses = lambda keys, notes: True
    with pytest.raises(OnlineStoreError, match="refused"):
        n_of(client, 1)


def test_a_view_that_was_lost_with_an_emptied_store_is_an_error_also_when_another_was_synced_since(store):
    """O8: the generation comes back with the first sync of any view."""
    clicks = view(name="clicks", features=(("clicks_7d", "int64"),))
    client = connect(project(view(), clicks), store)
    sync(store, clicks, {"customer_id": 1, "clicks_7d": 3})
    asked = (["orders:orders_7d", "clicks:clicks_7d"], [{"customer_id": 1}])
    with pytest.raises(OnlineStoreError) as problem:
        client.get_online_features(*asked)
    assert str(problem.value) == (
        "feature view orders was never synced to the online store, or the store was emptied since\n"
        "  -> run featurestore materialize orders"
    )
    answer = client.get_online_features(*asked, on_error="null")
    assert (answer.is_complete, answer.to_dict()["clicks_7d"]) == (False, [None])
    assert client.get_online_features(["clicks"], [{"customer_id": 2}]).statuses["clicks_7d"] == ["NOT_FOUND"]
