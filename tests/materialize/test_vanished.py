"""Keys that the model no longer has are buried by a full sync, and rise again with their rows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import OperationError
from featurestore.materialize.vanished import Graveyard, KeysSeen, bury_vanished
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER_CELLS, RowDecoder, header
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.memory import MemoryStore
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.materialize.routes import opened_shop
from tests.shop_in_memory import ORDERS


@pytest.fixture
def shop(tmp_path):
    with opened_shop(tmp_path) as shop:
        shop.sync()
        yield shop


def key(customer, view=ORDERS):
    return integer_key(key_prefix("shop", view), customer)


def is_alive(shop, customer):
    (row,) = shop.store.read([key(customer)])
    return row is not None and len(RowDecoder().cells(row)) > HEADER_CELLS


def test_a_full_sync_buries_what_the_model_no_longer_has(shop):
    shop.change("delete from orders where customer_id = 2")
    assert shop.sync().rows_removed == 0
    assert is_alive(shop, 2), "an incremental sync cannot know"
    assert shop.sync(full=True).rows_removed == 1
    assert [is_alive(shop, each) for each in (1, 2, 3)] == [True, False, True]
    assert shop.sync(full=True).rows_removed == 0, "once"


def test_a_key_that_comes_back_is_served_again_even_with_the_same_row(shop):
    shop.change("create table kept as from orders; delete from orders where customer_id = 2")
    shop.sync(full=True)
    shop.change("insert into orders from kept where customer_id = 2")
    shop.sync(full=True)
    assert is_alive(shop, 2)


def test_a_row_that_was_pushed_after_the_model_was_built_stays(shop):
    """It is newer than all that the model has."""
    pushed = header(HEADER_CELLS + 1, 2**52, NO_CREATED_TIME, ORDERS.fingerprint) + b"\x01"
    shop.store.write(batch_of([key(9)], [pushed], event_us=[2**52], created_us=[NO_CREATED_TIME]))
    assert shop.sync(full=True).rows_removed == 0
    assert is_alive(shop, 9)


def test_keys_of_other_views_and_projects_are_not_looked_at(shop):
    others = [key(9, replace(ORDERS, name="orders2")), key(9, replace(ORDERS, version="2")), b"fs:shop2:orders@0:{9}"]
    row = header(HEADER_CELLS + 1, 0, NO_CREATED_TIME, ORDERS.fingerprint) + b"\x01"
    shop.store.write(batch_of(others, [row] * 3, event_us=[0] * 3, created_us=[NO_CREATED_TIME] * 3))
    assert shop.sync(full=True).rows_removed == 0


def test_many_vanish_at_once_and_the_others_stay(shop):
    shop.change("insert into orders select 10 + range, '2026-06-04', '2026-06-08', 1, 1, null from range(30000)")
    shop.sync()
    shop.change("delete from orders where customer_id >= 10 and customer_id % 3 = 0")
    assert shop.sync(full=True).rows_removed == 10_000
    assert [is_alive(shop, each) for each in (1, 10, 11, 12, 30_006, 30_007)] == [True, True, True, False, False, True]


def test_a_snapshot_row_that_was_closed_is_no_longer_valid_without_a_tombstone(shop):
    """P9: dbt closes the rows of records that were deleted; the end of validity is synced like any change."""
    shop.change("alter table orders add column valid_to timestamp")
    snapshot = replace(ORDERS, name="snap", valid_to=Column(name="valid_to", type="timestamp"), ttl_us=None)
    shop.sync(snapshot)
    shop.change("update orders set valid_to = '2026-06-08' where customer_id = 2")
    assert shop.sync(snapshot).rows_written == 1


def test_the_newest_key_can_vanish_too(shop):
    """What an earlier sync has seen was not pushed."""
    shop.change("delete from orders where customer_id = 1")
    assert shop.sync(full=True).rows_removed == 1
    assert [is_alive(shop, each) for each in (1, 2, 3)] == [False, True, True]


def test_nothing_is_buried_once_the_lease_is_lost(shop, monkeypatch):
    """Another sync may have written rows that this one knows nothing of."""
    shop.change("delete from orders where customer_id = 2")
    monkeypatch.setattr("featurestore.materialize.engines.local.BATCH_ROWS", 1)

    def lose(rows):
        held = shop.store.take_lease("sync:orders", "far-away|1|99|abc", 60)
        if held != "far-away|1|99|abc":
            shop.store.end_lease("sync:orders", held)
            shop.store.take_lease("sync:orders", "far-away|1|99|abc", 60)

    with pytest.raises(OperationError, match="lost its lease to process 99 on far-away"):
        shop.sync(full=True, on_rows=lose)
    assert is_alive(shop, 2)


class Repeating(MemoryStore):
    """A store that names keys more than once, as the protocol allows it, and as Redis may while it grows."""

    def keys(self, prefix):
        for page in super().keys(prefix):
            yield page + page
            yield page


def test_a_key_that_the_store_names_twice_is_buried_once(tmp_path):
    rows = [header(HEADER_CELLS + 1, 0, NO_CREATED_TIME, ORDERS.fingerprint) + b"\x01"] * 3
    with closing(open_online_store("memory:repeating", project="shop", base_dir=tmp_path)) as opened:
        store = Repeating(opened._shelf, project="shop")
        store.write(batch_of([key(1), key(2), key(3)], rows, event_us=[0] * 3, created_us=[NO_CREATED_TIME] * 3))
        seen = KeysSeen()
        seen.add(pa.array([key(2)]))
        place = Graveyard(store=store, view=ORDERS, project="shop", row_set=0, newest_us=0)
        assert bury_vanished(place, seen, confirm=lambda: None) == 2
        assert [len(RowDecoder().cells(row)) > HEADER_CELLS for row in store.read([key(1), key(2), key(3)])] == [
            False,
            True,
            False,
        ]
