"""A sync in slices does what one in a piece does, and one that was killed goes on behind the last slice."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import duckdb
import msgspec
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
BEFORE = replace(ORDERS, tie_breakers=("order_count",))
"""A view whose rows mean something else."""
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
    request = {"start": datetime(2026, 1, 1, tzinfo=timezone.utc)} if mode == "range" else {}
    if mode != "first":
        sync(shop, view=BEFORE if mode == "rebuild" else ORDERS, keys_per_slice=10**9)
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


@pytest.mark.parametrize("request_", [{"full": True}, {"rebuild": True}])
def test_who_asks_for_everything_gets_everything_read(shop, request_):
    """Event times may have moved back, and keys may be gone."""
    sync(shop, stop_at=3, **request_)
    assert begins_anew(shop, **request_)


def test_it_begins_anew_when_the_model_was_built_since(shop):
    sync(shop, stop_at=3, build="Monday")
    assert sync(shop, stop_at=2, build="Monday")[1][0].window.keys.after is not None
    change_shop(shop, "update orders set order_count = -1")
    assert begins_anew(shop, build="Tuesday")
    fresh = "sqlite:fresh.sqlite"
    sync(shop, uri=fresh, keys_per_slice=10**9)
    assert stored(shop) == stored(shop, fresh)


@pytest.mark.parametrize(
    "change", ["delete from orders where order_count = 1499", "update orders set placed_at = '2026-06-01'"]
)
def test_it_begins_anew_when_rows_are_seen_to_be_gone(shop, change):
    """Whoever changed them: fewer rows, or times that moved back."""
    sync(shop, stop_at=3)
    change_shop(shop, change)
    assert begins_anew(shop)


def test_a_first_load_that_died_at_once_is_noted_the_next_time(shop):
    sync(shop, stop_at=0)
    sync(shop, stop_at=4)
    result, loads = sync(shop)
    assert (len(loads) < 4, result.rows_before > 0) == (True, True)


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


@pytest.mark.parametrize(("noted", "asked"), [(-2, 0), (2, 0), (0, 25), (0, -25)])
def test_it_begins_anew_where_a_clock_says_what_cannot_be(shop, noted, asked):
    sync(shop, stop_at=3)
    with opened_route(shop) as route:
        state = read_state(route.store, ORDERS)
        left = msgspec.json.decode(state.progress)
        for name, hours in (("noted_at", noted), ("asked_at", asked)):
            left[name] = (datetime.now(timezone.utc) + timedelta(hours=hours)).isoformat()
        told = replace(state, progress=msgspec.json.encode(left).decode())
        route.store.write_note(state_note(ORDERS), format_state(told))
    assert begins_anew(shop)


def test_it_begins_anew_after_another_version_of_this_package(shop, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(progress, "version", lambda _: "0.0.0")
        sync(shop, stop_at=3)
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
    sync(shop, view=BEFORE, keys_per_slice=10**9)
    monkeypatch.setattr(row_sets, "CLOSED", timedelta(0))
    sync(shop, stop_at=3)
    result, loads = sync(shop)
    assert result.rows_before > 0
    assert {load.row_set for load in loads} == {1}
    sync(shop, stop_at=3, rebuild=True)
    sync(shop, keys_per_slice=10**9, start=END - timedelta(days=60))
    assert {each.number for each in state_of(shop).sets} == {1, 0}, "what another sync finds half loaded goes"


def test_nobody_goes_on_in_a_set_that_is_half_removed(shop, monkeypatch):
    """Another sync began to remove it, and died."""

    def remove_some(store, prefix):
        store.delete(next(store.keys(prefix))[:100])
        raise StopError

    sync(shop, view=BEFORE, keys_per_slice=10**9)
    sync(shop, stop_at=5)
    with monkeypatch.context() as patched:
        patched.setattr(row_sets, "CLOSED", timedelta(0))
        patched.setattr(row_sets, "remove_rows", remove_some)
        assert sync(shop, start=END - timedelta(days=60), view=BEFORE)[0] is None
    assert begins_anew(shop)


def test_progress_of_another_version_is_not_gone_on_with(shop):
    sync(shop, stop_at=3)
    with opened_route(shop) as route:
        state = replace(read_state(route.store, ORDERS), progress='{"what": "is this"}')
        route.store.write_note(state_note(ORDERS), format_state(state))
    assert begins_anew(shop)


TEXT = st.text(st.sampled_from("ab9-_é'\\\"\n "), max_size=4) | st.sampled_from(["user:1", "a.b@c"])
NUMBER = st.integers(-5, 5) | st.sampled_from([-(2**63), 2**63 - 1])
SQL_TYPES = {
    "int64": ("bigint", NUMBER),
    "int64 as a decimal": ("decimal(20, 0)", NUMBER),
    "int64 as a float": ("double", st.integers(-5, 5) | st.sampled_from([-(2**53), 2**53])),
    "int128": ("hugeint", NUMBER | st.sampled_from([-(2**100), 2**100])),
    "string": ("varchar", TEXT),
    "string as an enum": ("mood", st.sampled_from("zbam")),
    "uuid": ("uuid", st.uuids().map(str)),
    "date": ("date", st.dates().map(str)),
}


@settings(max_examples=60)
@given(st.data(), st.sampled_from([*SQL_TYPES]), st.integers(1, 9))
def test_each_key_is_in_one_slice(data, key_type, most):
    """Whatever the keys are: few, many of one value, texts that need care."""
    sql_type, values = SQL_TYPES[key_type]
    keys = data.draw(st.lists(st.none() | values, min_size=1, max_size=30))
    connection = duckdb.connect()
    connection.execute("create type mood as enum ('z', 'b', 'a', 'm')")
    connection.execute(f"create table orders (k {sql_type}, seen timestamp)")
    connection.executemany("insert into orders values (?, '2026-06-01')", [[key] for key in keys])
    view = replace(
        ORDERS,
        relation="orders",
        join_keys=(Column(name="k", type=key_type.partition(" ")[0]),),
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
    known = {key for key in keys if key is not None}
    if key_type.startswith("int"):
        found = list(map(int, found))
    assert sorted(map(str, found)) == sorted(map(str, known)), "none is missing, and none comes twice"


def test_texts_of_paths_and_base64_are_bounds_and_those_that_need_care_are_none(shop):
    found = {}
    for table, text in (("texts", "/a/"), ("careful", "it''s ")):
        texts = f"'{text}' || lpad(r::varchar, 3, '0') || '='"
        change_shop(
            shop, f"create table {table} as select {texts} as k, '2026-06-01'::timestamp as seen from range(9) t(r)"
        )
        view = replace(
            ORDERS,
            relation=table,
            join_keys=(Column(name="k", type="string"),),
            event_time=Column(name="seen", type="timestamp"),
            created_at=None,
        )
        with opened_route(shop) as route:
            window = SyncWindow(end=END)
            found[table] = len(choose_bounds(view, window, rows=9, keys=9, most=3, warehouse=route.warehouse))
    assert found == {"texts": 3, "careful": 0}


def test_a_small_window_of_a_large_table_is_cut_well(shop):
    """The sample is of the window's rows."""
    change_shop(shop, "insert into orders select r, '2026-01-01', '2026-01-01', r, 1, null from range(300000) t(r)")
    with opened_route(shop) as route:
        window = SyncWindow(end=END, start=datetime(2026, 6, 1, tzinfo=timezone.utc))
        bounds = choose_bounds(ORDERS, window, rows=1500, keys=600, most=100, warehouse=route.warehouse)
    assert len(bounds) == 6


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
    for number in range(6):
        sync(shop, stop_at=rng.randrange(1, 3), keys_per_slice=40)
        change_shop(shop, f"insert into orders values ({number * 90}, '2026-06-21', '2026-06-22', {number}, 1, null)")
    result, _ = sync(shop, keys_per_slice=40)
    assert result.rows_before > 100
    assert result.rows_read + result.rows_before == KEYS
    sync(shop)
    fresh = "sqlite:fresh.sqlite"
    sync(shop, uri=fresh, keys_per_slice=10**9)
    assert stored(shop) == stored(shop, fresh)
