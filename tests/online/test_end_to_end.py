"""A sync into every online store, and lookups from it: the stores are not only right by themselves."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import datetime, timezone

from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.open import open_online_store
from featurestore.serving.client import connect
from tests.materialize.routes import opened_route
from tests.shop_in_memory import ORDERS, PROJECT, make_shop

JUNE_9 = datetime(2026, 6, 9, tzinfo=timezone.utc)
FEATURES = ["orders:order_count", "orders:amount", "orders:tags"]


def sync(folder, uri, **request):
    with opened_route(folder, uri) as route:
        result = sync_view(ORDERS, SyncRequest(**request), route, LocalEngine(route))
    return result.mode, result.rows_read, result.rows_written


def look_up(uri, folder):
    with closing(connect(PROJECT, open_online_store(uri, project="shop", base_dir=folder))) as client:
        asked = (FEATURES, {"customer_id": [1, 2, 3, 4, 99]})
        found = client.get_online_features(*asked, now=JUNE_9)
        later = asyncio.run(client.get_online_features_async(*asked, now=JUNE_9))
        assert later.to_dict() == found.to_dict()
        return found.to_dict(), found.statuses


def test_what_a_sync_writes_is_what_lookups_answer_in_every_store(kind, store_uri, tmp_path):
    """O3, O6, P17: the same as from SQLite, whose answers the tests of syncs and of serving prove."""
    make_shop(tmp_path)
    expected_mode, expected_rows, _ = sync(tmp_path, "sqlite:expected.sqlite")
    assert sync(tmp_path, store_uri) == (expected_mode, expected_rows, expected_rows)
    assert look_up(store_uri, tmp_path) == look_up("sqlite:expected.sqlite", tmp_path)
    assert sync(tmp_path, store_uri)[0] == "incremental", "the watermark is in the store"
    assert sync(tmp_path, store_uri, full=True)[2] == expected_rows, "O1 equal rows land again"
    assert look_up(store_uri, tmp_path) == look_up("sqlite:expected.sqlite", tmp_path)
