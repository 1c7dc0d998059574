"""The same questions to every online store: real servers, opened by their URIs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from featurestore.definitions.views import Feature
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.materialize.engines import local
from featurestore.operations import verify
from featurestore.operations.contents import contents
from featurestore.operations.remove import delete_entity, drop_view
from featurestore.serving.client import connect
from tests.online.conftest import kind, moto, store_uri, valkey  # noqa: F401 -- fixtures
from tests.operations.shops import faults, opened, row

NEWEST = datetime(2026, 6, 5, 10, tzinfo=timezone.utc)


@pytest.fixture
def shop(store_uri, tmp_path, monkeypatch):  # noqa: F811 -- a fixture
    monkeypatch.setattr(verify, "MOMENT_S", 0.0)
    monkeypatch.setattr(verify, "ABSENT_KEYS", 20)
    with opened(tmp_path, store_uri) as made:
        yield made


def test_a_store_is_verified_measured_and_emptied(shop):
    assert shop.verify().problem.startswith("never synced")
    assert contents(shop.project, shop.store)[0].keys == 0
    shop.sync()
    found = shop.verify()
    assert (found.rows.equal, found.model_keys, found.online_keys, found.absent) == (3, 3, 3, 20)
    assert shop.verify(sample=2).is_equal
    shop.store.delete([shop.key(2)])
    shop.bury(shop.key(3))
    shop.serve("select * from orders where customer_id = 1 and order_count = 1")
    shop.serve(row(77, "2026-06-01 10:00", "2026-06-01 11:00"))
    assert faults(shop.verify()) == {"missing": 2, "stale": 1, "extra": 1}
    (found,) = contents(shop.project, shop.store)
    (rows,) = found.sets
    assert (rows.keys, rows.tombstones) == (3, 1)
    assert rows.size_bytes > 3 * 26
    assert delete_entity(shop.project, shop.store, {"customer_id": 77}).rows == 1
    assert delete_entity(shop.project, shop.store, {"customer_id": 77}).rows == 0
    assert drop_view(shop.project, shop.store, "orders").rows == 2
    assert [note for note in shop.store.notes("") if "orders" in note] == []
    assert sum(map(len, shop.store.keys(b"fs:shop:"))) == 0


def ask(shop, *customers, features=("orders:order_count",), view=None):
    client = connect(shop.project if view is None else replace(shop.project, views=(view,)), shop.store)
    return client.get_online_features(list(features), [{"customer_id": customer} for customer in customers])


def test_the_rules_of_syncs_and_lookups_hold_in_every_store(shop):
    """O3 to O9 in short: the tests of syncs and of serving have them at length, on some of the stores."""
    shop.sync()
    found = ask(shop, 3, 99, 1, 1)
    assert found.to_dict()["order_count"] == [None, None, 2, 2]
    assert found.statuses["order_count"] == ["NULL_VALUE", "NOT_FOUND", "PRESENT", "PRESENT"]
    assert found.event_timestamps["order_count"][2] == NEWEST
    with pytest.raises(UsageError, match="customer_id"):
        connect(shop.project, shop.store).get_online_features(["orders:order_count"], [{"customer": 1}])

    shop.sql(
        "insert into orders values"
        " (2, '2026-06-03', '2026-06-20', 7, 7, null), (1, '2026-06-04', '2026-06-20', 8, 8, [])"
    )
    result = shop.sync()
    assert (result.mode, result.rows_read, result.rows_written) == ("incremental", 2, 1), "O6 late ones, O1 newer ones"
    assert ask(shop, 1, 2).to_dict()["order_count"] == [2, 7]
    assert shop.sync(start=NEWEST, end=NEWEST).rows_read == 1, "O5 both ends of a range are in it"

    shop.sql("insert into orders select range + 10, '2026-06-06', '2026-06-21', range, 1, null from range(300)")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local, "BATCH_ROWS", 100)
        with pytest.raises(StopError):
            shop.sync(on_rows=stop)
    assert ask(shop, 1, 2).to_dict()["order_count"] == [2, 7]
    assert shop.sync().rows_read == 300, "O7 the watermark had not moved"
    assert shop.verify().rows.equal == 303

    changed = replace(shop.view, features=(Feature(name="label", type="string"), *shop.view.features[1:]))
    found = ask(shop, 1, features=("orders:label", "orders:amount"), view=changed)
    assert found.to_dict()["label"] == [None], "O9 never another column's value"
    assert found.to_dict()["amount"] == [30]

    for page in list(shop.store.keys(b"fs:shop:")):
        shop.store.delete(page)
    for note in shop.store.notes(""):
        assert shop.store.swap_note(note, shop.store.read_note(note), None)
    with pytest.raises(OnlineStoreError, match="emptied"):
        ask(shop, 1)
    assert not connect(shop.project, shop.store).is_ready(), "O8"


class StopError(Exception):
    """The sync is to end here, as if it were killed."""


def stop(_rows):
    raise StopError
