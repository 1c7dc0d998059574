"""Pushed rows land under the guard of syncs, where readers look, or are refused whole (SEMANTICS O1, O8, P7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from featurestore.definitions.views import Column
from featurestore.errors import OperationError, UsageError
from featurestore.online.open import open_online_store
from featurestore.online.state import ViewState, format_state, made_set, state_note
from featurestore.serving import connect
from featurestore.streams.push import Pusher
from featurestore.streams.pushed_rows import rows_of
from tests.serving.conftest import project, sync, turn_readers, view

NOW = datetime.now(timezone.utc).replace(microsecond=0)
ORDERS = view()
CREATED = view("created", created_at=Column(name="loaded_at", type="timestamptz"))


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


def columns(at=NOW, **more):
    return {"customer_id": [1], "at": [iso(at)], "orders_7d": [3], "spend": [0.5], **more}


@pytest.fixture
def store(tmp_path):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(tmp_path))
    yield store
    store.close()


def push(store, feature_view, given):
    return Pusher("shop", store).push(feature_view, rows_of(feature_view, given))


def served(store, feature_view, customer=1, feature="orders_7d"):
    response = connect(project(feature_view), store).get_online_features(
        [feature_view.name], [{"customer_id": customer}]
    )
    return response.to_dict()[feature][0], response.statuses[feature][0]


def test_a_pushed_row_is_served_at_once(store):
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    done = push(store, ORDERS, columns())
    assert (done.view, done.rows, done.written, done.skipped) == ("orders", 1, 1, 0)
    assert served(store, ORDERS) == (3, "PRESENT")


def test_an_older_push_never_overwrites_and_a_repeated_one_changes_nothing(store):
    """O1: newest by event time wins, whatever the order."""
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    push(store, ORDERS, columns())
    done = push(store, ORDERS, columns(at=NOW - timedelta(seconds=1), orders_7d=[99]))
    assert (done.rows, done.written) == (1, 0)
    push(store, ORDERS, columns())
    assert served(store, ORDERS) == (3, "PRESENT")


def test_of_rows_of_one_key_in_a_push_the_newest_stays(store):
    """O1."""
    sync(store, ORDERS, {"customer_id": 2, "orders_7d": 1, "spend": 0.1})
    times = [iso(NOW - timedelta(seconds=each)) for each in (2, 0, 1)]
    push(store, ORDERS, {"customer_id": [1, 1, 1], "at": times, "orders_7d": [1, 2, 3], "spend": [None] * 3})
    assert served(store, ORDERS) == (2, "PRESENT")


def test_a_created_time_that_is_missing_is_now(store):
    """P4: of two rows of one event time the one that was created later counts."""
    loaded = NOW - timedelta(hours=1)
    sync(store, CREATED, {"customer_id": 1, "orders_7d": 1, "spend": 0.1, "at": NOW, "loaded_at": loaded})
    assert push(store, CREATED, columns()).written == 1
    assert served(store, CREATED) == (3, "PRESENT")
    earlier = columns(orders_7d=[7], loaded_at=[iso(loaded)])
    assert push(store, CREATED, earlier).written == 0, "it was created before the one that is there"


@pytest.mark.parametrize("names", [("event_timestamp", "created"), ("event_timestamp", "created_timestamp")])
def test_feasts_names_of_the_two_times_are_understood(store, names):
    sync(store, CREATED, {"customer_id": 1, "orders_7d": 1, "spend": 0.1, "at": NOW, "loaded_at": NOW})
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    given = columns(**{names[1]: [iso(NOW + timedelta(seconds=1))]})
    given[names[0]] = given.pop("at")
    for each in (CREATED, ORDERS):
        push(store, each, given)
        assert served(store, each) == (3, "PRESENT")


def test_null_keys_and_times_are_left_out_and_counted(store):
    sync(store, ORDERS, {"customer_id": 9, "orders_7d": 1, "spend": 0.1})
    given = {"customer_id": [None, 1, 2], "at": [iso(NOW), None, iso(NOW)], "orders_7d": [1, 2, 3], "spend": [0.1] * 3}
    done = push(store, ORDERS, given)
    assert (done.rows, done.written, done.skipped) == (3, 1, 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"spend": ...}, "missing column 'spend'"),
        ({"at": ...}, "missing column 'at'"),
        ({"customer_id": ...}, "missing column 'customer_id'"),
        ({"spent": [1.0]}, "no column 'spent'.*\n.*did you mean spend"),
        ({"spend": [0.1, 0.2]}, "the columns differ in length"),
        ({"orders_7d": [1.5]}, "column 'orders_7d', row 0: expected int64, got 1.5"),
        ({"at": ["soon"]}, "column 'at', row 0: expected timestamptz"),
        ({"at": [iso(NOW + timedelta(hours=1))]}, "row 0 has the event time .*, which is not usable yet"),
    ],
)
def test_a_push_that_cannot_be_meant_is_refused_whole(store, change, says):
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    given = {name: values for name, values in {**columns(), **change}.items() if values is not ...}
    with pytest.raises(UsageError, match=says):
        push(store, ORDERS, given)
    assert served(store, ORDERS) == (1, "PRESENT")


def test_clocks_may_differ_by_minutes(store):
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    assert push(store, ORDERS, columns(at=datetime.now(timezone.utc) + timedelta(minutes=2))).written == 1


def test_a_row_of_a_view_with_a_delay_is_refused_until_it_may_be_used(store):
    """P7: a row is usable after its event time and the view's delay."""
    delayed = view(delay_us=3_600_000_000)
    sync(store, delayed, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    with pytest.raises(UsageError, match=r"not usable yet \(its delay counts\)"):
        push(store, delayed, columns())
    assert push(store, delayed, columns(at=NOW - timedelta(hours=1))).written == 1


def test_a_view_that_was_never_synced_takes_no_push(store):
    """O8: a row in an emptied store would make the ones that were lost look as if there had been none."""
    with pytest.raises(OperationError, match="was never synced"):
        push(store, ORDERS, columns())
    offline = replace(ORDERS, online=False)
    with pytest.raises(UsageError, match="is not online"):
        push(store, offline, columns())


def test_a_push_lands_in_the_set_that_is_being_loaded_too(store):
    """O5: when readers turn to it, what was pushed meanwhile is there."""
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 1, "spend": 0.1})
    loading = replace(made_set(ORDERS, 1), retired_at=NOW, is_whole=False)
    store.write_note(state_note(ORDERS), format_state(ViewState(sets=(made_set(ORDERS, 0), loading), last_number=1)))
    push(store, ORDERS, columns())
    assert served(store, ORDERS) == (3, "PRESENT")
    turn_readers(store, ORDERS, 1, 0)
    assert served(store, ORDERS) == (3, "PRESENT")


def test_a_row_that_is_too_old_already_is_said_to_be(store):
    """P17, O3: it stays for one more ttl, so that a reader can say OUTSIDE_MAX_AGE."""
    short = view(ttl=timedelta(minutes=1))
    sync(store, short, {"customer_id": 2, "orders_7d": 1, "spend": 0.1})
    assert push(store, short, columns(at=NOW - timedelta(days=1))).written == 1
    assert served(store, short) == (None, "OUTSIDE_MAX_AGE")


def test_rows_of_another_layout_stay_readable(store):
    """O9: a push of a view that has grown describes its layout."""
    sync(store, ORDERS, {"customer_id": 2, "orders_7d": 1, "spend": 0.1})
    grown = view(features=(("orders_7d", "int64"), ("spend", "float64"), ("city", "string")))
    push(store, grown, columns(city=["Bonn"]))
    assert served(store, ORDERS) == (3, "PRESENT")
    assert served(store, grown, feature="city") == ("Bonn", "PRESENT")
    assert served(store, grown, customer=2) == (1, "PRESENT")
