"""What happens while a sync runs: rows arrive, the definition changes, another sync starts, rows are pushed."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from featurestore.definitions.durations import HOUR
from featurestore.errors import OperationError
from featurestore.materialize.engines import local
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.protocol import Route
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER_CELLS, RowDecoder, header
from featurestore.online.keys import entity_key, key_prefix
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.state import read_state
from tests.materialize.routes import opened_route
from tests.shop_in_memory import ORDERS, change_shop, make_shop, shop_warehouse

KEYS = 40


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop whose sync has several batches."""
    monkeypatch.setattr(local, "BATCH_ROWS", 8)
    make_shop(tmp_path, "(-1, '2026-06-01', '2026-06-01', 0, 1, null)")
    change_shop(
        tmp_path, f"insert into orders select range, '2026-06-05', '2026-06-05', range, 1, ['x'] from range({KEYS})"
    )
    return tmp_path


def key(number):
    return entity_key(key_prefix("shop", ORDERS), [str(number)])


def served(store, number):
    (row,) = store.read([key(number)])
    return RowDecoder().cells(row)[HEADER_CELLS]


@pytest.mark.parametrize("number", [0, KEYS - 1], ids=["that was read", "yet to be read"])
def test_a_row_that_arrives_during_a_sync_is_moved_by_the_next_at_the_latest(shop, number):
    """O6: how far the data reach is asked before they are read."""
    done = []

    def arrive(rows):
        if not done:
            done.append(rows)
            with duckdb.connect(str(shop / "shop.duckdb")) as connection:
                connection.execute(f"insert into orders values ({number}, '2026-06-06', '2026-06-06', 777, 1, null)")

    with (
        closing(shop_warehouse(shop, read_only=False)) as warehouse,
        closing(open_online_store("sqlite:online.sqlite", project="shop", base_dir=shop)) as store,
    ):
        route = Route(project="shop", warehouse=warehouse, store=store, store_uri="sqlite:online.sqlite", base_dir=shop)
        sync_view(ORDERS, SyncRequest(), route, LocalEngine(route), on_rows=arrive)
        again = sync_view(ORDERS, SyncRequest(), route, LocalEngine(route))
        assert done
        assert again.mode == "incremental"
        assert served(store, number) == 777


def test_a_row_that_is_pushed_during_a_first_load_is_not_overwritten_by_an_older_one(shop):
    """O1: that the store is thought to be empty weakens nothing."""
    row = header(HEADER_CELLS + 3, 2**51, NO_CREATED_TIME, ORDERS.fingerprint) + b"\xcd\x03\x09\xc0\xc0"
    with opened_route(shop) as route:
        pushed = batch_of([key(KEYS - 1)], [row], event_us=[2**51], created_us=[NO_CREATED_TIME])
        done = []

        def push(rows):
            if not done:
                done.append(route.store.write(pushed))

        sync_view(ORDERS, SyncRequest(), route, LocalEngine(route), on_rows=push)
        assert done == [1]
        assert served(route.store, KEYS - 1) == 777


def test_a_definition_that_changes_during_a_sync_asks_for_rows_of_its_own_afterwards(shop):
    changed = replace(ORDERS, delay_us=HOUR)
    refused = []

    with opened_route(shop) as route:

        def start_other(rows):
            try:
                sync_view(changed, SyncRequest(), route, LocalEngine(route))
            except OperationError as error:
                refused.append(str(error))

        sync_view(ORDERS, SyncRequest(), route, LocalEngine(route), on_rows=start_other)
        assert all(text.startswith("another sync of orders is under way") for text in refused)
        assert refused
        assert sync_view(changed, SyncRequest(), route, LocalEngine(route)).mode == "rebuild"
        assert read_state(route.store, changed).set_for(changed) == 1


def sync_apart(folder, answers):
    with opened_route(Path(folder)) as route:
        try:
            answers.put(sync_view(ORDERS, SyncRequest(full=True, wait_s=240), route, LocalEngine(route)).rows_written)
        except OperationError as error:
            answers.put(str(error))


def test_syncs_that_start_at_once_and_wait_all_succeed_one_after_the_other(shop):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=sync_apart, args=(str(shop), answers)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(120)
    assert found == [KEYS + 1] * 3
