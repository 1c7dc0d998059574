"""A sync moves each key's newest row, only what is new the next time, and survives being killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from featurestore.definitions.durations import DAY, HOUR
from featurestore.definitions.views import Column, Feature
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.run import SyncFailure, sync_views
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.open import open_online_store
from featurestore.online.state import read_state
from featurestore.serving.client import connect
from tests.materialize.routes import opened_route
from tests.shop_in_memory import ORDERS, PROJECT, change_shop, make_shop

JUNE_9 = datetime(2026, 6, 9, tzinfo=timezone.utc)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def sync(folder, view=ORDERS, uri="sqlite:online.sqlite", **request):
    with opened_route(folder, uri) as route:
        return sync_view(view, SyncRequest(**request), route, LocalEngine(route))


def sync_all(folder, *views, faults=None):
    with opened_route(folder) as route:
        return sync_views(views, SyncRequest(), route, LocalEngine(route), faults=faults)


def look_up(folder, *customers, view=ORDERS, now=JUNE_9, feature="order_count"):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=folder)
    with closing(connect(replace(PROJECT, views=(view,), services=()), store)) as client:
        found = client.get_online_features([f"orders:{feature}"], {"customer_id": list(customers)}, now=now)
        return found.to_dict()[feature]


def counts(result):
    return (result.mode, result.rows_read, result.rows_written, result.rows_skipped)


def test_the_first_sync_moves_the_newest_row_of_every_key(shop):
    """O5."""
    assert counts(sync(shop)) == ("full", 3, 3, 0)
    assert look_up(shop, 1, 2, 3, 9) == [2, 1, None, None]


def test_the_next_sync_moves_nothing_when_nothing_is_new(shop):
    """O6."""
    sync(shop)
    assert counts(sync(shop)) == ("incremental", 0, 0, 0)


def test_a_new_row_is_all_that_the_next_sync_moves(shop):
    """O6: beyond the watermark of event time."""
    sync(shop)
    change_shop(shop, "insert into orders values (2, '2026-06-07', '2026-06-07', 9, 1, null)")
    assert counts(sync(shop)) == ("incremental", 1, 1, 0)
    assert look_up(shop, 1, 2) == [2, 9]


def test_a_row_that_was_loaded_late_is_moved(shop):
    """O6: its event is older than the watermark, its created time is not."""
    sync(shop)
    change_shop(shop, "insert into orders values (2, '2026-06-04', '2026-06-08', 7, 1, null)")
    assert counts(sync(shop)) == ("incremental", 1, 1, 0)
    assert look_up(shop, 2) == [7]


def test_a_row_loaded_by_a_clock_that_is_ahead_hides_no_later_one(shop):
    """O6: the watermark never stands in the future."""
    change_shop(shop, "insert into orders values (3, '2026-06-03', '2099-01-01', 1, 1, null)")
    sync(shop)
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    change_shop(shop, f"insert into orders values (9, '2026-06-01', timestamp '{now}' + interval 1 second, 8, 1, null)")
    sync(shop)
    assert look_up(shop, 9) == [8]


def test_an_end_before_the_watermark_loses_no_row_that_was_loaded_late(shop):
    """O6: what lies between the end and the watermark was not read, so it is still new."""
    sync(shop)
    change_shop(
        shop,
        "insert into orders values (8, '2026-06-02', '2026-06-08', 8, 1, null), "
        "(9, '2026-06-04', '2026-06-08', 9, 1, null)",
    )
    sync(shop, end=datetime(2026, 6, 3, tzinfo=timezone.utc))
    assert look_up(shop, 8, 9) == [8, None]
    sync(shop)
    assert look_up(shop, 8, 9) == [8, 9]


def test_a_clock_that_is_ahead_hides_no_row_that_is_loaded_while_a_sync_runs(shop):
    """O6: the loaded-watermark never stands beyond the moment at which the rows were asked for."""
    change_shop(shop, "insert into orders values (3, '2026-06-03', '2099-01-01', 1, 1, null)")
    before = datetime.now(timezone.utc)
    sync(shop)
    with closing(open_online_store("sqlite:online.sqlite", project="shop", base_dir=shop)) as store:
        watermark = read_state(store, ORDERS).watermark
    assert before <= watermark.created_time < watermark.synced_at


def test_where_nothing_had_a_created_time_every_row_that_has_one_is_new(shop):
    """O6."""
    change_shop(shop, "update orders set loaded_at = null")
    sync(shop)
    change_shop(shop, "insert into orders values (2, '2026-06-04', '2026-06-08', 7, 1, null)")
    sync(shop)
    assert look_up(shop, 2) == [7]


def test_of_a_created_date_rows_of_the_same_day_may_still_come(shop):
    """O6: a date says the day only."""
    change_shop(shop, "alter table orders alter loaded_at type date")
    view = replace(ORDERS, created_at=Column(name="loaded_at", type="date"))
    sync(shop, view)
    change_shop(shop, "insert into orders select 9, '2026-06-01 11:00', max(loaded_at), 7, 1, null from orders")
    sync(shop, view)
    assert look_up(shop, 9, view=view) == [7]


def test_a_late_row_that_is_older_than_what_is_served_changes_nothing(shop):
    """O1: read, but skipped."""
    sync(shop)
    change_shop(shop, "insert into orders values (1, '2026-06-02', '2026-06-08', 7, 1, null)")
    assert counts(sync(shop)) == ("incremental", 1, 0, 1)
    assert look_up(shop, 1) == [2]


def test_a_correction_of_the_same_event_lands(shop):
    """O1: the same event time, loaded later."""
    sync(shop)
    change_shop(shop, "insert into orders values (1, '2026-06-05 10:00', '2026-06-08', 5, 1, null)")
    assert counts(sync(shop)) == ("incremental", 1, 1, 0)
    assert look_up(shop, 1) == [5]


@pytest.mark.parametrize(
    ("lookback_us", "event", "served"),
    [
        (None, "2026-06-04 10:00", 8),  # the default looks a day back from 2026-06-05 10:00
        (None, "2026-06-04 09:59", 1),
        (2 * DAY, "2026-06-04 09:59", 8),
        (HOUR, "2026-06-04 10:00", 1),
    ],
)
def test_without_a_created_time_a_sync_looks_back(shop, lookback_us, event, served):
    """O6."""
    view = replace(ORDERS, created_at=None, lookback_us=lookback_us)
    sync(shop, view)
    change_shop(shop, f"insert into orders values (2, '{event}', null, 8, 1, null)")
    sync(shop, view)
    assert look_up(shop, 2, view=view) == [served]


def test_a_range_moves_its_rows_and_no_watermark(shop):
    """O5: both ends inclusive."""
    first = datetime(2026, 6, 1, 10, tzinfo=timezone.utc)
    last = datetime(2026, 6, 2, 10, tzinfo=timezone.utc)
    assert counts(sync(shop, start=first, end=last)) == ("range", 2, 2, 0)
    assert look_up(shop, 1, 2, 3) == [1, 1, None]
    assert sync(shop).mode == "full"


def test_an_end_keeps_later_rows_out(shop):
    sync(shop, end=datetime(2026, 6, 4, tzinfo=timezone.utc))
    assert look_up(shop, 1) == [1]
    assert counts(sync(shop)) == ("incremental", 1, 1, 0)
    assert look_up(shop, 1) == [2]


def test_an_end_in_the_future_is_now(shop):
    """O5: a row of tomorrow is not served today."""
    change_shop(shop, "insert into orders values (1, now()::timestamp + interval 1 day, null, 99, 1, null)")
    sync(shop, end=datetime.now(timezone.utc) + timedelta(days=7))
    assert look_up(shop, 1) == [2]


def test_a_full_sync_reads_everything_again(shop):
    sync(shop)
    assert counts(sync(shop, full=True)) == ("full", 3, 3, 0)


def test_a_start_after_the_end_is_refused(shop):
    with pytest.raises(UsageError, match="is after end"):
        sync(shop, start=JUNE_9, end=JUNE_9 - timedelta(days=1))
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    for end in (None, tomorrow + timedelta(days=1)):
        with pytest.raises(UsageError, match=r"^start .* is after now, "):
            sync(shop, start=tomorrow, end=end)


def test_a_changed_layout_asks_for_a_full_sync(shop):
    """O9: the rows of before are read by name until then."""
    sync(shop)
    fewer = replace(ORDERS, features=ORDERS.features[:1])
    assert look_up(shop, 1, view=fewer) == [2]
    assert sync(shop, fewer).mode == "full"


@pytest.mark.parametrize(
    "change",
    [
        {"join_keys": (Column(name="order_count", type="int64"),)},
        {"event_time": Column(name="loaded_at", type="timestamp"), "created_at": None},
        {"relation": '"shop"."main"."other_orders"'},
        {"as_of": "knowledge"},
        {"delay_us": HOUR},
    ],
)
def test_rows_that_mean_something_else_go_into_a_new_set(shop, change):
    """O6, O9: a set of rows speaks of one source under the same keys, times and rules; P17."""
    change_shop(shop, "create table other_orders as from orders")
    sync(shop)
    changed = replace(ORDERS, **change)
    assert sync(shop, changed).mode == "rebuild"
    assert sync(shop, changed).mode == "incremental"
    assert sync(shop, replace(changed, description="words change nothing")).mode == "incremental"


def test_a_changed_ttl_asks_for_a_full_sync(shop):
    """P17: rows were told to be forgotten at another age."""
    sync(shop)
    forever = replace(ORDERS, ttl_us=None)
    assert sync(shop, forever).mode == "full"
    assert sync(shop, forever).mode == "incremental"


def test_a_ttl_that_was_removed_brings_back_the_rows_it_had_expired(shop):
    """P17: the store was told to forget them at an age that no longer counts."""
    hour = replace(ORDERS, ttl_us=HOUR)
    sync(shop, hour)
    with closing(sqlite3.connect(shop / "online.sqlite")) as connection:
        connection.execute("update kv set expires_ms = 1")
        connection.commit()
    forever = replace(ORDERS, ttl_us=None)
    assert look_up(shop, 1, view=forever) == [None]
    sync(shop, forever)
    assert look_up(shop, 1, view=forever) == [2]


def test_rows_without_a_key_stay_behind(shop):
    change_shop(shop, "insert into orders values (null, '2026-06-07', null, 9, 1, null)")
    assert counts(sync(shop)) == ("full", 3, 3, 0)


def test_a_row_under_a_delay_waits_for_its_time(shop):
    """P7: the row of June 5 10:00 is usable from June 6 10:00 on; the watermark does not pass it."""
    view = replace(ORDERS, delay_us=DAY)
    sync(shop, view, end=datetime(2026, 6, 6, 9, tzinfo=timezone.utc))
    assert look_up(shop, 1, view=view) == [1]
    sync(shop, view, end=datetime(2026, 6, 6, 10, tzinfo=timezone.utc))
    assert look_up(shop, 1, view=view) == [2]


def test_a_closed_validity_reaches_the_store(shop):
    """P9: a snapshot's row that is closed without a successor is no longer served."""
    change_shop(shop, "alter table orders add column valid_to timestamp")
    view = replace(ORDERS, valid_to=Column(name="valid_to", type="timestamp"), ttl_us=None)
    sync(shop, view)
    assert look_up(shop, 2, view=view) == [1]
    change_shop(shop, "update orders set valid_to = '2026-06-08' where customer_id = 2")
    sync(shop, view)
    assert look_up(shop, 2, view=view) == [None]
    assert look_up(shop, 2, view=view, now=datetime(2026, 6, 7, tzinfo=timezone.utc)) == [1]


def test_a_model_that_was_never_built_fails_alone(shop):
    missing = replace(ORDERS, name="missing", relation='"shop"."main"."missing"')
    first, second = sync_all(shop, missing, ORDERS)
    assert isinstance(first, SyncFailure)
    assert "missing" in str(first.error)
    assert counts(second) == ("full", 3, 3, 0)


def test_a_view_whose_data_are_not_as_declared_fails_alone(shop):
    """Also its query, half read, is in nobody's way."""
    change_shop(
        shop, "insert into orders select 10 + range, '2026-06-07', '2026-06-07', range, 1, null from range(90000)"
    )
    wrong = replace(ORDERS, name="wrong", features=(Feature(name="order_count", type="timestamp"),))
    first, second = sync_all(shop, wrong, ORDERS)
    assert isinstance(first, SyncFailure)
    assert "column 'order_count': expected timestamp, the warehouse gave int64" in str(first.error)
    assert counts(second) == ("full", 90_003, 90_003, 0)


def test_ctrl_c_does_not_wait_for_the_query(shop):
    """The rows are read in a thread, which does not hear Ctrl-C."""
    slow = "(select count(distinct md5(md5(i::text))) from range(10000000000) t(i))"
    change_shop(shop, f"create view slow as select * replace ({slow} as order_count) from orders")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_SYNC, str(shop)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout.readline() == b"reading\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert out == b"interrupted\n"


def test_a_store_that_is_down_is_told_at_once(shop):
    started = time.monotonic()
    with pytest.raises(OnlineStoreError):
        sync(shop, uri="redis://127.0.0.1:1/0?write_timeout=60")
    assert time.monotonic() - started < 50


INTERRUPTED_SYNC = """
import signal, sys, pathlib
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
from dataclasses import replace
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse
from tests.materialize.test_sync import ORDERS, sync

def read(warehouse, sql, **options):
    if "slow" in sql:
        print("reading", flush=True)
    return reads(warehouse, sql, **options)

reads, DuckDBWarehouse.read = DuckDBWarehouse.read, read
try:
    sync(pathlib.Path(sys.argv[1]), replace(ORDERS, relation='"shop"."main"."slow"'))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
