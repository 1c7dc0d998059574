"""A change of meaning is loaded beside what is served; readers turn to it in one step, and the old rows go later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from featurestore.definitions.durations import HOUR
from featurestore.definitions.views import Column
from featurestore.errors import OnlineStoreError, OperationError, UsageError
from featurestore.materialize import row_sets
from featurestore.online.codec import HEADER_CELLS, RowDecoder
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.state import parse_state, read_state, state_note
from tests.materialize.routes import opened_shop
from tests.shop_in_memory import ORDERS

DELAYED = replace(ORDERS, delay_us=HOUR)
BY_COUNT = replace(ORDERS, join_keys=(Column(name="order_count", type="int64"),))


@pytest.fixture
def shop(tmp_path):
    with opened_shop(tmp_path) as shop:
        yield shop


def sets(shop, view=ORDERS):
    return [each.number for each in read_state(shop.store, view).sets]


def count_of(shop, customer, view=ORDERS, row_set=0):
    """The order_count that a set holds for a customer."""
    (row,) = shop.store.read([integer_key(key_prefix("shop", view, row_set), customer)])
    return None if row is None else RowDecoder().cells(row)[HEADER_CELLS]


def test_the_first_sync_fills_the_first_set(shop):
    shop.sync()
    assert sets(shop) == [0]
    assert count_of(shop, 1) == 2


def test_a_rebuild_fills_a_set_of_its_own_and_readers_are_told_when_it_is_whole(shop):
    shop.sync()
    seen = []
    result = shop.sync(rebuild=True, on_rows=lambda rows: seen.append(sets_for(shop)))
    assert (result.mode, result.rows_written) == ("rebuild", 3)
    assert seen == [0], "while rows are written, readers use the old set"
    assert sets_for(shop) == 1
    assert (count_of(shop, 1), count_of(shop, 1, row_set=1)) == (2, 2)


def sets_for(shop, view=ORDERS):
    return read_state(shop.store, view).set_for(view)


def test_event_times_that_moved_back_are_served_after_a_rebuild(shop):
    """O1 keeps the old rows in the set in use."""
    shop.sync()
    shop.change("update orders set placed_at = placed_at - interval 1 year, order_count = 7")
    shop.sync(full=True)
    assert count_of(shop, 1) == 2
    shop.sync(rebuild=True)
    assert count_of(shop, 1, row_set=1) == 7


def test_old_rows_are_removed_by_a_later_sync_after_a_grace(shop, monkeypatch):
    shop.sync()
    shop.sync(rebuild=True)
    shop.sync()
    assert (sets(shop), count_of(shop, 1)) == ([1, 0], 2)
    let_sets_grow_old(monkeypatch)
    shop.sync()
    assert (sets(shop), count_of(shop, 1)) == ([1, 0], 2), "closed to readers first"
    assert [each.is_whole for each in read_state(shop.store, ORDERS).sets] == [True, False]
    shop.sync()
    assert (sets(shop), count_of(shop, 1), count_of(shop, 1, row_set=1)) == ([1], None, 2)


def let_sets_grow_old(monkeypatch):
    monkeypatch.setattr(row_sets, "GRACE", timedelta(0))
    monkeypatch.setattr(row_sets, "CLOSED", timedelta(0))


def test_a_rebuild_that_died_leaves_readers_where_they_were_and_its_rows_are_removed_later(shop, monkeypatch):
    """O7"""
    shop.sync()

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.sync(rebuild=True, on_rows=stop)
    assert (sets(shop), sets_for(shop)) == ([0, 1], 0)
    assert count_of(shop, 1, row_set=1) == 2
    let_sets_grow_old(monkeypatch)
    shop.sync(rebuild=True)
    assert (sets(shop), sets_for(shop)) == ([2, 0], 2)
    assert count_of(shop, 1, row_set=1) is None


def test_a_changed_rule_of_time_goes_to_a_new_set(shop):
    shop.sync()
    assert shop.sync(DELAYED).mode == "rebuild"
    assert sets_for(shop, DELAYED) == 1


def test_a_reader_with_other_join_keys_is_never_given_rows_of_these(shop):
    """A key 2 of one meaning is not a key 2 of the other."""
    shop.sync()
    assert sets_for(shop, BY_COUNT) is None
    shop.sync(BY_COUNT)
    assert (sets_for(shop, BY_COUNT), sets_for(shop, ORDERS)) == (1, 0)


def test_a_range_of_a_redefined_view_is_refused(shop):
    shop.sync()
    with pytest.raises(UsageError, match="what its rows mean has changed since its last sync"):
        shop.sync(DELAYED, start=read_state(shop.store, ORDERS).watermark.event_time)


def test_a_model_that_is_empty_replaces_nothing(shop):
    shop.sync()
    shop.change("delete from orders")
    assert shop.sync(rebuild=True).rows_read == 0
    assert shop.sync(full=True).rows_removed == 0
    assert (sets_for(shop), count_of(shop, 1)) == (0, 2)


def test_two_syncs_that_both_lost_sight_of_the_lease_do_not_undo_each_other(shop):
    """The state is swapped only against what this sync has read."""
    shop.sync()

    def meddle(rows):
        shop.store.write_note(state_note(ORDERS), b"{}")

    with pytest.raises(OperationError, match="was changed by something else during the sync"):
        shop.sync(full=True, on_rows=meddle)
    assert parse_state(shop.store.read_note(state_note(ORDERS))).sets == ()


def test_a_store_that_is_emptied_during_a_sync_is_an_error_and_the_watermark_stays(shop):
    """O8: rows that were written before are gone, so nobody may believe that they are there."""

    def empty(rows):
        shop.store.swap_note("generation", shop.store.read_note("generation"), None)

    with pytest.raises(OnlineStoreError, match="was emptied while rows were written to it"):
        shop.sync(on_rows=empty)
    assert read_state(shop.store, ORDERS).watermark is None
    assert shop.sync().mode == "full"


def test_a_sync_that_finds_nothing_new_says_when_it_looked(shop):
    shop.sync()
    before = read_state(shop.store, ORDERS).watermark
    shop.sync()
    after = read_state(shop.store, ORDERS).watermark
    assert after.synced_at > before.synced_at
    assert after.event_time == before.event_time


def test_a_view_without_rows_is_known_to_the_store_all_the_same(shop):
    """O8: lookups tell it from one that was lost."""
    shop.change("delete from orders")
    assert shop.sync().rows_read == 0
    assert sets(shop) == [0]
    shop.change("insert into orders values (1, '2026-06-05', '2026-06-05', 2, 1, null)")
    assert shop.sync().mode == "full"
    assert count_of(shop, 1) == 2


def test_a_definition_that_changes_before_a_first_sync_has_ended_gets_rows_of_its_own(shop):
    """O6: also without a watermark the store knows what its rows mean."""
    shop.change("create table other_orders as select * replace (placed_at - interval 1 year as placed_at) from orders")
    shop.sync(start=read_moment("2026-06-01"))
    assert read_state(shop.store, ORDERS).watermark is None
    moved = replace(ORDERS, relation='"shop"."main"."other_orders"')
    assert (shop.sync(moved).mode, sets_for(shop, moved)) == ("rebuild", 1)
    by_count = replace(moved, join_keys=BY_COUNT.join_keys)
    assert (shop.sync(by_count).mode, sets_for(shop, by_count)) == ("rebuild", 2)


def read_moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
