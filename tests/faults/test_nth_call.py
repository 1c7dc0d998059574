"""The N-th call of the store fails, for N = 1, 2, 3 ... until the sync succeeds; then the same for the warehouse."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

from featurestore.definitions.durations import HOUR
from featurestore.errors import FeatureStoreError, QueryError
from featurestore.materialize.engines import local
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.codec import HEADER_CELLS, RowDecoder
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.open import open_online_store
from featurestore.online.state import read_state
from tests.faults.failing import FailingStore
from tests.materialize.routes import opened_route
from tests.shop_in_memory import ORDERS, change_shop, make_shop

KEYS = 30
DELAYED = replace(ORDERS, delay_us=HOUR)
A_HUNDRED_MORE = "order_count = order_count + 100, amount = amount + 100, tags = [(order_count + 100)::varchar]"
CHANGES = {
    "the first sync": (None, ORDERS, {}),
    "new rows": (f"update orders set {A_HUNDRED_MORE}, loaded_at = '2026-07-01'", ORDERS, {}),
    "keys that vanished": ("delete from orders where customer_id % 3 = 0", ORDERS, {"full": True}),
    "another meaning": (f"update orders set {A_HUNDRED_MORE}", DELAYED, {}),
}


def make(folder):
    make_shop(folder, f"(-1, '2026-06-01', '2026-06-01', {0}, 1, null)")
    change_shop(
        folder,
        "insert into orders select range, '2026-06-05', '2026-06-05', range, range, [range::varchar]"
        f" from range({KEYS})",
    )


def sync(folder, view, *, wrap=lambda store: store, wrap_warehouse=lambda warehouse: warehouse, **request):
    with opened_route(folder) as route:
        broken = replace(route, store=wrap(route.store), warehouse=wrap_warehouse(route.warehouse))
        return sync_view(view, SyncRequest(**request), broken, LocalEngine(broken))


def served(folder, view):
    """The number that all features of a key's row have, as a reader finds it; None where there is no live row."""
    with closing(open_online_store("sqlite:online.sqlite", project="shop", base_dir=folder)) as store:
        if not (folder / "online.sqlite").exists():
            return [None] * KEYS
        row_set = read_state(store, view).set_for(view)
        prefix = key_prefix("shop", view, row_set)
        rows = store.read([integer_key(prefix, key) for key in range(KEYS)])
    cells = [None if row is None else RowDecoder().cells(row) for row in rows]
    return [None if row is None or len(row) == HEADER_CELLS else number_of(row[HEADER_CELLS:]) for row in cells]


def number_of(cells):
    count, amount, tags = cells
    assert (Decimal(amount), tags) == (count, [str(count)]), "the row is whole"
    return count


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("change", CHANGES)
def test_whichever_call_of_the_store_fails_readers_see_old_or_new_and_a_rerun_finishes(
    tmp_path, monkeypatch, change, moment
):
    """O7"""
    monkeypatch.setattr(local, "BATCH_ROWS", 8)
    statement, view, request = CHANGES[change]
    fails_at, is_done = 0, False
    while not is_done:
        fails_at += 1
        folder = tmp_path / str(fails_at)
        folder.mkdir()
        make(folder)
        if statement is not None:
            sync(folder, ORDERS)
            change_shop(folder, statement)
        before = served(folder, ORDERS)
        is_done = not fails(folder, view, fails_at, moment, request)
        between = served(folder, view)
        if view is not ORDERS:
            assert between in (before, expected(change)), "a new set is served whole or not at all"
        assert all(one in (old, new) for one, old, new in zip(between, before, expected(change), strict=True))
        if not is_done:
            sync(folder, view, **request)
        assert served(folder, view) == expected(change)
    assert fails_at > 10


def fails(folder, view, fails_at, moment, request):
    """Sync with one failure; whether it was met."""
    try:
        sync(folder, view, wrap=lambda store: FailingStore(store=store, fails_at=fails_at, moment=moment), **request)
    except FeatureStoreError:
        return True
    return False


def expected(change):
    """What each key answers in the end."""
    if change == "the first sync":
        return list(range(KEYS))
    if change == "keys that vanished":
        return [None if key % 3 == 0 else key for key in range(KEYS)]
    return [key + 100 for key in range(KEYS)]


class FailingWarehouse:
    """Everything goes to a real warehouse; its N-th batch of rows is an error."""

    def __init__(self, warehouse, fails_at):
        self.dialect = warehouse.dialect
        self.limit_memory = warehouse.limit_memory
        self.abandon = warehouse.abandon
        self._warehouse = warehouse
        self._left = fails_at

    def read(self, sql, *, batch_rows=65_536):
        import pyarrow as pa

        reader = self._warehouse.read(sql, batch_rows=batch_rows)

        def batches():
            for batch in reader:
                self._left -= 1
                if self._left == 0:
                    raise QueryError("the warehouse went away")
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def test_whichever_batch_of_the_warehouse_fails_a_rerun_finishes(tmp_path, monkeypatch):
    """O7"""
    monkeypatch.setattr(local, "BATCH_ROWS", 8)
    for fails_at in range(1, 7):
        folder = tmp_path / str(fails_at)
        folder.mkdir()
        make(folder)
        try:
            sync(folder, ORDERS, wrap_warehouse=lambda warehouse, number=fails_at: FailingWarehouse(warehouse, number))
        except QueryError:
            assert fails_at < 6
        assert sync(folder, ORDERS).mode == ("full" if fails_at < 6 else "incremental")
        assert served(folder, ORDERS) == list(range(KEYS))
