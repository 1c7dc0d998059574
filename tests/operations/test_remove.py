"""An entity or a view is removed for good: every version, every set of rows, nothing of anybody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.views import Column
from featurestore.errors import OperationError, UnknownNameError, UsageError
from featurestore.materialize.lease import SyncLease
from featurestore.online.keys import entity_key, key_prefix
from featurestore.operations.remove import Removed, delete_entity, drop_view
from featurestore.operations.run import contents_of
from tests.operations.shops import FOREVER, faults, opened

BY_AMOUNT = replace(
    FOREVER, name="by_amount", join_keys=(*FOREVER.join_keys, Column(name="amount", type="decimal(10,2)"))
)
SECOND = replace(FOREVER, version="2")


def keys_of(shop):
    return sorted(key for page in shop.store.keys(b"fs:") for key in page)


def removed(found):
    return {each.view: each.rows for each in found.views}


@pytest.fixture
def shop_of_three(shop):
    """Views of one entity, of a version of it, and of the entity and more."""
    shop.project = replace(shop.project, views=(FOREVER, SECOND, BY_AMOUNT))
    shop.sync(SECOND)
    shop.sync(BY_AMOUNT)
    return shop


def test_an_entity_is_removed_from_all_views_that_have_its_keys(shop_of_three):
    shop = shop_of_three
    found = delete_entity(shop.project, shop.store, {"customer_id": 1})
    assert removed(found) == {"orders": 1, "orders@v2": 1}
    assert (found.rows, found.others) == (2, ("by_amount",))
    assert shop.store.read([shop.key(1), shop.key(2)])[0] is None
    assert not [key for key in keys_of(shop) if key.endswith(b":{1}")]
    assert len(keys_of(shop)) == 2 + 2 + 3
    assert faults(shop.verify()) == {"missing": 1}


def test_a_composite_key_needs_all_its_parts(shop_of_three):
    shop = shop_of_three
    found = delete_entity(shop.project, shop.store, {"amount": "30.0", "customer_id": "1"})
    assert removed(found) == {"by_amount": 1}
    with pytest.raises(UsageError, match="no feature view has exactly the join keys amount"):
        delete_entity(shop.project, shop.store, {"amount": "30.0"})


def test_a_dry_run_counts_and_removes_nothing(shop_of_three):
    shop = shop_of_three
    before = keys_of(shop)
    found = delete_entity(shop.project, shop.store, {"customer_id": 1}, dry_run=True)
    assert (removed(found), keys_of(shop)) == ({"orders": 1, "orders@v2": 1}, before)


def test_rows_of_sets_that_are_out_of_use_are_removed_too(shop):
    """Also by other join keys than the view has now, and where the type was another."""
    as_text = replace(FOREVER, delay_us=DAY, join_keys=(Column(name="customer_id", type="string"),))
    shop.sql("create table texts as select * replace (customer_id::varchar as customer_id) from orders")
    shop.sync(replace(as_text, relation='"shop"."main"."texts"'))
    found = delete_entity(shop.project, shop.store, {"customer_id": 1})
    assert removed(found) == {"orders": 2}
    assert len(keys_of(shop)) == 4


def test_a_tombstone_is_removed_too(shop):
    """It holds the entity's key."""
    shop.bury(shop.key(1))
    assert delete_entity(shop.project, shop.store, {"customer_id": 1}).rows == 1
    assert len(keys_of(shop)) == 2


def test_views_that_the_registry_forgot_are_looked_at(shop):
    gone = replace(shop.project, views=())
    found = delete_entity(gone, shop.store, {"customer_id": 1})
    assert found.views == (Removed(view="orders", rows=1, is_orphan=True),)


def test_an_entity_that_nobody_has_removes_nothing(shop):
    assert delete_entity(shop.project, shop.store, {"customer_id": 99}).rows == 0


def test_a_store_that_was_never_filled_stays_unmade(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        assert delete_entity(shop.project, shop.store, {"customer_id": 1}).rows == 0
        assert drop_view(shop.project, shop.store, "orders").rows == 0
        assert not (tmp_path / "online.sqlite").exists()


@pytest.mark.parametrize(
    ("entity", "says"),
    [
        ({}, "no feature view has exactly the join keys"),
        ({"custmer_id": 1}, "did you mean customer_id"),
        ({"customer_id": "abc"}, "expected a whole number"),
        ({"customer_id": None}, "NULL has no rows"),
    ],
)
def test_an_entity_that_is_none_is_refused(shop, entity, says):
    before = keys_of(shop)
    with pytest.raises(UsageError, match=says):
        delete_entity(shop.project, shop.store, entity)
    assert keys_of(shop) == before


def test_the_next_sync_brings_back_what_the_warehouse_still_has(shop):
    delete_entity(shop.project, shop.store, {"customer_id": 1})
    shop.sync(full=True)
    assert faults(shop.verify()) == {}


def test_while_a_view_is_synced_nothing_is_removed(shop):
    before = keys_of(shop)
    with SyncLease(shop.store, "orders"):
        with pytest.raises(OperationError, match="another sync of orders is under way"):
            delete_entity(shop.project, shop.store, {"customer_id": 1})
        with pytest.raises(OperationError, match="another sync of orders is under way"):
            drop_view(shop.project, shop.store, "orders")
        assert keys_of(shop) == before
    assert drop_view(shop.project, shop.store, "orders").rows == 3


def test_a_dropped_view_leaves_no_row_and_no_note_and_is_synced_whole_next_time(shop_of_three):
    shop = shop_of_three
    shop.sync(replace(FOREVER, delay_us=DAY))  # a second set of rows
    assert drop_view(shop.project, shop.store, "orders") == Removed(view="orders", rows=6)
    assert [key for key in keys_of(shop) if key.startswith((b"fs:shop:orders@0", b"fs:shop:orders@0+"))] == []
    assert len(keys_of(shop)) == 3 + 3
    assert [note for note in shop.store.notes("") if "orders" in note and "orders@v2" not in note] == [
        f"layout:orders@2:{FOREVER.fingerprint:08x}"
    ]
    assert shop.sync().mode == "full"
    assert faults(shop.verify()) == {}


def test_one_version_is_dropped_and_the_others_stay(shop_of_three):
    shop = shop_of_three
    assert drop_view(shop.project, shop.store, "orders@v2").rows == 3
    assert faults(shop.verify()) == {}


def test_without_a_version_the_only_one_is_meant(shop):
    shop.sync(SECOND)
    drop_view(shop.project, shop.store, "orders")
    only = replace(shop.project, views=(SECOND,))
    assert drop_view(only, shop.store, "orders") == Removed(view="orders@v2", rows=3)


def test_without_a_version_the_only_one_is_meant_also_of_a_view_that_the_registry_forgot(shop):
    shop.sync(SECOND)
    gone = replace(shop.project, views=())
    drop_view(gone, shop.store, "orders")
    (found,) = contents_of(gone, shop.store, ["orders"])
    assert (found.view, found.keys) == ("orders@v2", 3)
    assert drop_view(gone, shop.store, "orders") == Removed(view="orders@v2", rows=3, is_orphan=True)


def test_of_several_versions_one_has_to_be_named(shop):
    third = replace(FOREVER, version="3")
    shop.sync(SECOND)
    drop_view(shop.project, shop.store, "orders")
    with pytest.raises(UsageError) as problem:
        drop_view(replace(shop.project, views=(third,)), shop.store, "orders")
    assert str(problem.value) == ("'orders' may mean 2 versions of a feature view\n  -> name one: orders@v2, orders@v3")
    assert len(keys_of(shop)) == 3


def test_a_view_that_the_registry_forgot_can_be_dropped(shop):
    gone = replace(shop.project, views=())
    assert drop_view(gone, shop.store, "orders") == Removed(view="orders", rows=3, is_orphan=True)
    assert keys_of(shop) == []
    with pytest.raises(UnknownNameError, match="no feature view 'orders'"):
        drop_view(gone, shop.store, "orders")


def test_rows_without_a_note_can_be_dropped(shop):
    shop.store.swap_note("view:orders", shop.store.read_note("view:orders"), None)
    assert drop_view(replace(shop.project, views=()), shop.store, "orders").rows == 3


def test_a_name_that_nobody_knows_is_refused(shop_of_three):
    with pytest.raises(UnknownNameError, match="did you mean orders@v2"):
        drop_view(shop_of_three.project, shop_of_three.store, "orders@v3")


def test_other_projects_and_views_of_like_names_stay(tmp_path):
    uri = "sqlite:online.sqlite"
    with opened(tmp_path, uri) as shop:
        longer = replace(FOREVER, name="orders@")
        shop.project = replace(shop.project, views=(FOREVER, longer))
        shop.sync()
        shop.sync(longer)
        other = entity_key(key_prefix("shop:x", FOREVER), ["1"])
        (row,) = shop.store.read([shop.key(1)])
        shop.put(other, row)
        drop_view(shop.project, shop.store, "orders")
        assert len(keys_of(shop)) == 4
        assert shop.store.read([other]) == [row]
