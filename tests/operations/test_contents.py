"""stats counts what a store holds of each view and set of rows, and finds what no view speaks of any more."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from featurestore.definitions.durations import DAY
from featurestore.errors import OnlineStoreError, UnknownNameError
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.lease import SyncLease
from featurestore.online.batches import batch_of
from featurestore.operations import contents as contents_module
from featurestore.operations.contents import contents
from featurestore.operations.run import contents_of
from featurestore.operations.tables import Contents
from tests.operations.shops import FOREVER, opened


def test_keys_are_counted_and_bytes_measured(shop):
    (found,) = contents(shop.project, shop.store)
    (rows,) = found.sets
    assert (found.view, found.is_orphan, found.keys) == ("orders", False, 3)
    assert (rows.number, rows.use, rows.tombstones, rows.sampled) == (0, "in use", 0, 3)
    assert found.size_bytes == sum(shop.store.sizes([shop.key(n) for n in (1, 2, 3)]))
    assert found.synced_at is not None


def test_who_syncs_a_view_and_until_when_is_said(shop):
    (found,) = contents(shop.project, shop.store)
    assert (found.syncing, found.is_syncing_known) == (None, True)
    with SyncLease(shop.store, "orders", lease_s=30):
        (found,) = contents(shop.project, shop.store)
        assert (found.syncing.host, found.syncing.process_id) == (socket.gethostname(), os.getpid())
        assert timedelta(seconds=20) < found.syncing.until - datetime.now(timezone.utc) <= timedelta(seconds=30)
        shown = repr(Contents([found])).splitlines()
        until = f"{found.syncing.until:%Y-%m-%dT%H:%M:%SZ}"
        assert shown[2] == (
            f"  being synced by process {os.getpid()} on {socket.gethostname()}, "
            f"whose lease lasts until {until} at least"
        )
        assert found.to_dict()["syncing"]["process_id"] == os.getpid()
    (found,) = contents(shop.project, shop.store)
    assert found.syncing is None


def test_a_rebuild_that_was_stopped_left_an_unfinished_set(shop, monkeypatch):
    def stopped(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalEngine, "copy", stopped)
        with pytest.raises(KeyboardInterrupt):
            shop.sync(rebuild=True)
    (found,) = contents(shop.project, shop.store)
    assert [each.use for each in found.sets] == ["in use", "unfinished"]
    with SyncLease(shop.store, "orders"):
        (found,) = contents(shop.project, shop.store)
    assert [each.use for each in found.sets] == ["in use", "loading"]


def test_an_owner_of_another_kind_is_shown_as_it_is(shop):
    shop.store.take_lease("sync:orders", "somebody", 60)
    (found,) = contents(shop.project, shop.store)
    assert (found.syncing.who, found.syncing.process_id) == ("somebody", None)
    shop.store.end_lease("sync:orders", "somebody")


def test_a_store_that_keeps_leases_to_itself_is_measured_all_the_same(shop, monkeypatch):
    """As Postgres does for a role that may only read rows and notes."""

    def refused(_store, _name):
        raise OnlineStoreError("permission denied for table fs_leases")

    monkeypatch.setattr(type(shop.store), "read_lease", refused)
    (found,) = contents(shop.project, shop.store)
    assert (found.keys, found.syncing, found.is_syncing_known) == (3, None, False)


def test_tombstones_are_told_apart(shop):
    shop.bury(shop.key(2))
    (found,) = contents(shop.project, shop.store)
    assert (found.keys, found.sets[0].tombstones) == (3, 1)


def test_of_many_keys_a_sample_is_measured(shop, monkeypatch):
    monkeypatch.setattr(contents_module, "SAMPLED_KEYS", 50)
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 1500) t(i)")
    shop.sync()
    (found,) = contents(shop.project, shop.store)
    assert (found.keys, found.sets[0].sampled) == (503, 50)
    exact = sum(sum(shop.store.sizes(page)) for page in shop.store.keys(b"fs:shop:"))
    assert 0.9 < found.size_bytes / exact < 1.1


def test_every_set_of_rows_is_listed(shop):
    shop.sync(replace(FOREVER, delay_us=DAY))
    (found,) = contents(shop.project, shop.store)
    assert [(each.number, each.use, each.keys) for each in found.sets] == [(1, "in use", 3), (0, "retired", 3)]


def test_what_the_registry_no_longer_has_is_an_orphan(shop):
    gone = replace(shop.project, views=())
    (found,) = contents(gone, shop.store)
    assert (found.view, found.is_orphan, found.keys) == ("orders", True, 3)
    offline = replace(shop.project, views=(replace(FOREVER, online=False),))
    assert contents(offline, shop.store)[0].is_orphan


@pytest.mark.parametrize("key", ["odd%3Aname%40x%25@v%2B1+12", "orders@2"])
def test_rows_that_no_note_speaks_of_are_found_too(shop, key):
    (row,) = shop.store.read([shop.key(1)])
    shop.store.write(batch_of([f"fs:shop:{key}:{{1}}".encode()], [row], event_us=[1], created_us=[1]))
    _, found = contents(shop.project, shop.store)
    expected = {"orders@2": ("orders@v2", 0), "odd%3Aname%40x%25@v%2B1+12": ("odd:name@x%@vv+1", 12)}[key]
    assert (found.view, found.sets[0].number, found.sets[0].use, found.keys) == (*expected, "orphan", 1)


def test_other_projects_are_not_seen(tmp_path):
    with (
        opened(tmp_path, "sqlite:online.sqlite") as shop,
        opened(tmp_path, "sqlite:online.sqlite", project="shop2") as other,
    ):
        shop.sync()
        other.sync()
        assert [found.keys for found in contents(shop.project, shop.store)] == [3]


def test_a_store_that_was_never_filled_holds_nothing(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        (found,) = contents(shop.project, shop.store)
        assert (found.keys, found.sets, found.synced_at) == (0, (), None)
        assert not (tmp_path / "online.sqlite").exists()


def test_named_views_are_looked_for_alone_and_have_to_be_known(shop):
    assert [found.keys for found in contents_of(shop.project, shop.store, ["orders"])] == [3]
    with pytest.raises(UnknownNameError, match="no feature view 'order' in the registry or the online store"):
        contents_of(shop.project, shop.store, ["order"])
