"""The same questions to every online store: real servers, opened by their URIs."""

from __future__ import annotations

import pytest

from featurestore.operations import verify
from featurestore.operations.contents import contents
from featurestore.operations.remove import delete_entity, drop_view
from tests.online.conftest import kind, moto, store_uri, valkey  # noqa: F401 -- fixtures
from tests.operations.shops import faults, opened, row


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
