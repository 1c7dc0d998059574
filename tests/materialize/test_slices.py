"""A sync in slices does what one in a piece does, and one that was killed goes on behind the last slice."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.definitions.views import Column
from featurestore.materialize import progress, row_sets, slices
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.slices import choose_bounds, ranges
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.keys import key_prefix
from featurestore.online.state import format_state, read_state, state_note
from featurestore.operations.remove import drop_view
from featurestore.sql.newest import KeyRange, SyncWindow, newest_query
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse
from tests.materialize.routes import opened_route
from tests.materialize.spark_loads import rows_in_store
from tests.shop_in_memory import ORDERS, PROJECT, change_shop, make_shop

KEYS = 600
END = datetime(2026, 7, 1, tzinfo=timezone.utc)


class StopError(Exception):
    """The sync is to end here, as if it were killed."""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Many keys, several rows each."""
    monkeypatch.setattr(slices, "FEW_CELLS", 10)
    make_shop(tmp_path)
    change_shop(tmp_path, "delete from orders")
    change_shop(
        tmp_path,
        "insert into orders select r % 600 - 100, '2026-06-05'::timestamp + to_minutes(r * 7919 % 5000), "
        "'2026-06-09', r, 1, ['x'] from range(1500) t(r)",
    )
    return tmp_path


class Stopping(LocalEngine):
    """An engine whose slices are small, and that ends at one of them."""

    def __init__(self, route, stop_at=None, keys_per_slice=100):
        super().__init__(route)
        self.keys_per_slice, self.stop_at, self.copied = keys_per_slice, stop_at, []

    def copy(self, load, *, on_rows=None):
        if len(self.copied) == self.stop_at:
            raise StopError
        self.copied.append(load)
        return super().copy(load, on_rows=on_rows)


def sync(folder, view=ORDERS, uri="sqlite:online.sqlite", stop_at=None, keys_per_slice=100, **request):
    """Returns the result, None where the sync was stopped, and the loads."""
    with opened_route(folder, uri) as route:
        engine = Stopping(route, stop_at, keys_per_slice)
        try:
            return sync_view(view, SyncRequest(**request), route, engine), engine.copied
        except StopError:
            return None, engine.copied


def stored(folder, uri="sqlite:online.sqlite"):
    with opened_route(folder, uri) as route:
        return rows_in_store(route.store)


def assert_whole(loads):
    """That they are slices side by side, from the first key to the last."""
    keys = [load.window.keys for load in loads]
    assert [each.after for each in keys] == [None, *[each.upto for each in keys[:-1]]]
    assert (keys[-1].upto, len(keys) > 4) == (None, True)
    assert len({load.row_set for load in loads}) == 1


def state_of(folder):
    with opened_route(folder) as route:
        return read_state(route.store, ORDERS)


def test_the_rows_are_those_of_a_sync_in_one_piece(shop):
    whole, loads = sync(shop, uri="sqlite:whole.sqlite", keys_per_slice=10**9)
    assert len(loads) == 1
    told = []
    with opened_route(shop) as route:
        engine = Stopping(route)
        sliced = sync_view(ORDERS, SyncRequest(), route, engine, on_rows=told.append)
    assert len(engine.copied) > 3
    assert (sliced.rows_read, sliced.rows_written, sliced.watermark) == (KEYS, KEYS, whole.watermark)
    assert stored(shop) == stored(shop, "sqlite:whole.sqlite")
    assert told == sorted(told), "who watches sees one sync"
    assert told[-1] == KEYS
    assert state_of(shop).progress is None


@pytest.mark.parametrize("stop_at", [1, 3, 5])
@pytest.mark.parametrize("mode", ["first", "incremental", "range", "rebuild"])
def test_a_sync_that_stopped_goes_on_behind_the_last_slice(shop, mode, stop_at):
    """O5, O6: what is served at the end, and the watermark, are those of a sync that was not stopped."""
    request = {"rebuild": {"rebuild": True}, "range": {"start": datetime(2026, 1, 1, tzinfo=timezone.utc)}}.get(
        mode, {}
    )
    if mode != "first":
        sync(shop, keys_per_slice=10**9)
        change_shop(shop, "update orders set order_count = order_count + 10000, loaded_at = '2026-06-20'")
    stopped, done = sync(shop, stop_at=stop_at, **request)
    assert (stopped, len(done)) == (None, stop_at)
    change_shop(shop, "insert into orders values (7, '2026-06-21', '2026-06-22', -7, 1, null)")
    result, left = sync(shop, **request)
    assert_whole([*done, *left])
    assert result.rows_read + result.rows_before == KEYS
    assert result.watermark < datetime(2026, 6, 21, tzinfo=timezone.utc), "as it was seen at the beginning"
    sync(shop, keys_per_slice=10**9)  # brings what came meanwhile
    fresh = shop / "fresh"
    fresh.mkdir()
    with opened_route(shop, f"sqlite:{fresh}/online.sqlite") as route:
        sync_view(ORDERS, SyncRequest(), route, LocalEngine(route))
        wanted = [row for _, row in rows_in_store(route.store)]
    number = state_of(shop).sets[0].number
    assert number == (1 if mode == "rebuild" else 0)
    prefix = key_prefix("shop", ORDERS, number)
    assert [row for key, row in stored(shop) if key.startswith(prefix)] == wanted


def begins_anew(folder, **request):
    result, loads = sync(folder, **request)
    return result.rows_before == 0 and result.rows_read == KEYS and loads[0].window.keys.after is None


def test_it_begins_anew_for_another_definition(shop):
    sync(shop, stop_at=3)
    assert begins_anew(shop, view=replace(ORDERS, ttl_us=ORDERS.ttl_us * 2))


def test_it_begins_anew_for_another_question(shop):
    sync(shop, stop_at=3)
    assert begins_anew(shop, end=END)


def test_it_begins_anew_where_all_keys_must_be_known(shop):
    """A full sync over rows that are served looks for keys that vanished."""
    sync(shop)
    sync(shop, stop_at=3, full=True)
    change_shop(shop, "delete from orders where customer_id = -100")
    result, _ = sync(shop, full=True)
    assert (result.rows_before, result.rows_read, result.rows_removed) == (0, KEYS - 1, 1)


def test_it_begins_anew_when_it_was_long_ago(shop, monkeypatch):
    sync(shop, stop_at=3)
    monkeypatch.setattr(progress, "RESUMED_WITHIN", timedelta(0))
    assert begins_anew(shop)


def test_it_begins_anew_when_the_rows_were_dropped_or_the_store_was_emptied(shop):
    """O8."""
    sync(shop, stop_at=3)
    with opened_route(shop) as route:
        drop_view(PROJECT, route.store, "orders")
    assert begins_anew(shop)
    (shop / "online.sqlite").unlink()
    sync(shop, stop_at=3)
    (shop / "online.sqlite").unlink()
    assert begins_anew(shop)


def test_a_set_that_is_still_being_loaded_is_not_swept_away(shop, monkeypatch):
    sync(shop, keys_per_slice=10**9)
    monkeypatch.setattr(row_sets, "CLOSED", timedelta(0))
    sync(shop, stop_at=3, rebuild=True)
    result, loads = sync(shop, rebuild=True)
    assert result.rows_before > 0
    assert {load.row_set for load in loads} == {1}
    sync(shop, stop_at=3, rebuild=True)
    sync(shop, keys_per_slice=10**9, start=END - timedelta(days=60))
    assert {each.number for each in state_of(shop).sets} == {1, 0}, "what another sync finds half loaded goes"


def test_progress_of_another_version_is_not_gone_on_with(shop):
    sync(shop, stop_at=3)
    with opened_route(shop) as route:
        state = replace(read_state(route.store, ORDERS), progress='{"what": "is this"}')
        route.store.write_note(state_note(ORDERS), format_state(state))
    assert begins_anew(shop)


TEXT = st.text(st.sampled_from("ab9-_é'\\\"\n "), max_size=4) | st.sampled_from(["user:1", "a.b@c"])
NUMBER = st.integers(-5, 5) | st.sampled_from([-(2**63), 2**63 - 1])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["int64", "string", "uuid", "date"]), st.integers(1, 9))
def test_each_key_is_in_one_slice(data, key_type, most):
    """Whatever the keys are: few, many of one value, texts that need care."""
    values = {"int64": NUMBER, "string": TEXT, "uuid": st.uuids().map(str), "date": st.dates().map(str)}[key_type]
    keys = data.draw(st.lists(st.none() | values, min_size=1, max_size=30))
    sql_type = {"int64": "bigint", "string": "varchar", "uuid": "uuid", "date": "date"}[key_type]
    connection = duckdb.connect()
    connection.execute(f"create table orders (k {sql_type}, seen timestamp)")
    connection.executemany("insert into orders values (?, '2026-06-01')", [[key] for key in keys])
    view = replace(
        ORDERS,
        relation="orders",
        join_keys=(Column(name="k", type=key_type),),
        event_time=Column(name="seen", type="timestamp"),
        created_at=None,
        features=(),
    )
    window = SyncWindow(end=END)
    with closing(DuckDBWarehouse(connection)) as warehouse:
        bounds = choose_bounds(view, window, rows=len(keys), keys=len(set(keys)), most=most, warehouse=warehouse)
        if key_type == "date":
            assert bounds == ()
        found = []
        for keys_of_slice in ranges(bounds):
            found += warehouse.read(newest_query(view, replace(window, keys=keys_of_slice))).read_all()["k"].to_pylist()
    assert sorted(map(str, found)) == sorted({str(key) for key in keys if key is not None})


def test_slices_have_about_as_many_rows_each_and_are_not_too_many(shop):
    with opened_route(shop) as route:
        window = SyncWindow(end=END)
        many = choose_bounds(ORDERS, window, rows=1500, keys=600, most=100, warehouse=route.warehouse)
        assert len(many) == 6
        counts = [
            route.warehouse.read(newest_query(ORDERS, replace(window, keys=each))).read_all().num_rows
            for each in ranges(many)
        ]
        assert min(counts) > 40
        few = choose_bounds(ORDERS, window, rows=30_000, keys=600, most=100, warehouse=route.warehouse)
        assert len(few) == 2, "with fifty rows a key, reading would take longer than writing"
        most = choose_bounds(ORDERS, window, rows=1500, keys=600, most=1, warehouse=route.warehouse)
        assert len(most) <= slices.MOST_SLICES - 1


def test_the_ranges_between_bounds_leave_nothing_out():
    assert ranges(()) == [None]
    assert ranges((3,)) == [KeyRange(upto=3), KeyRange(after=3)]
    assert ranges(("a", "b")) == [KeyRange(upto="a"), KeyRange(after="a", upto="b"), KeyRange(after="b")]


def test_stopped_at_random_slices_over_and_over_it_ends_right(shop):
    rng = random.Random(3)
    for _ in range(12):
        sync(shop, stop_at=rng.randrange(1, 3), keys_per_slice=40)
    result, _ = sync(shop, keys_per_slice=40)
    assert result.rows_read + result.rows_before in {KEYS, result.rows_read}
    assert len(stored(shop)) == KEYS
