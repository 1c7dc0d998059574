"""verify finds every kind of fault that is provoked by hand, counts it exactly, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.views import Column, Feature
from featurestore.operations import verify
from featurestore.warehouse import memory
from tests.operations.shops import FOREVER, faults, of_feature, opened, row
from tests.shop_in_memory import ORDERS

ABSENT = verify.ABSENT_KEYS
KEYS = 3


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Nothing moves in these tests."""
    monkeypatch.setattr(verify, "MOMENT_S", 0.0)


def test_what_was_synced_is_equal(shop):
    """P17."""
    found = shop.verify()
    assert found.is_equal
    assert (found.checked, found.rows.equal, found.absent, found.problem) == (KEYS, KEYS, ABSENT, None)
    assert found.at == datetime(2026, 6, 5, 10, tzinfo=timezone.utc)
    assert of_feature(found, "amount") == {"equal": KEYS}


def test_it_is_said_of_how_many_keys_these_are(shop):
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 1100) t(i)")
    shop.sync()
    shop.serve("select 77::bigint customer_id, placed_at, loaded_at, order_count, amount, tags from orders limit 1")
    whole = shop.verify()
    assert (whole.checked, whole.model_keys, whole.online_keys, whole.absent) == (104, 103, 104, ABSENT)
    part = shop.verify(sample=10)
    assert (part.model_keys, part.online_keys, part.absent) == (103, 104, ABSENT)
    assert part.checked == part.rows.total == 104  # of so few, all of the store's
    assert repr(part).startswith("<orders: 104 keys at ")


def test_where_the_warehouse_has_too_little_memory_it_is_given_more(shop, monkeypatch):
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 300000) t(i)")
    shop.sync()
    monkeypatch.setattr(verify, "WAREHOUSE_MEMORY_BYTES", 4 * 2**20)
    with monkeypatch.context() as once:
        once.setattr(memory, "TRIES", 1)
        assert "Out of Memory" in shop.verify(sample=1000).problem
    found = shop.verify(sample=1000)
    assert (found.problem, found.rows.equal, found.model_keys) == (None, found.checked, 299_003)


def test_of_a_store_with_more_keys_than_a_sample_looks_at_no_number_is_said(shop, monkeypatch):
    monkeypatch.setattr(verify, "PAGED_KEYS", 2)
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 1100) t(i)")
    shop.sync()
    found = shop.verify(sample=1)
    assert (found.checked, found.model_keys, found.online_keys) == (3, 103, None)
    assert shop.verify().online_keys == 103


def test_a_drawn_key_that_is_served_is_a_fault_and_one_that_the_model_has_is_compared(shop, monkeypatch):
    monkeypatch.setattr(verify, "PAGED_KEYS", 0)
    monkeypatch.setattr(verify, "absent_keys", lambda view, count, rng: [(1,), (2,), (3,), (77,), (78,)])
    shop.serve("select 77::bigint customer_id, placed_at, loaded_at, order_count, amount, tags from orders limit 1")
    found = shop.verify(sample=1)
    assert (found.checked, found.absent, found.rows.equal, faults(found)) == (4, 1, 3, {"extra": 1})


def test_a_view_without_keys_has_one_on_each_side(tmp_path):
    view = replace(FOREVER, join_keys=(), entities=())
    with opened(tmp_path, "sqlite:online.sqlite", view) as shop:
        shop.sync()
        for found in (shop.verify(), shop.verify(sample=5)):
            assert (found.checked, found.model_keys, found.online_keys, found.absent) == (1, 1, 1, 0)


def test_a_row_that_is_gone_is_missing(shop):
    shop.store.delete([shop.key(1)])
    found = shop.verify()
    assert faults(found) == {"missing": 1}
    assert of_feature(found, "amount") == {"equal": KEYS - 1, "missing": 1}
    (example,) = found.examples
    assert (example.verdict, example.keys, example.online.event_time) == ("missing", {"customer_id": 1}, None)
    assert example.offline.event_time == datetime(2026, 6, 5, 10, tzinfo=timezone.utc)


def test_a_tombstone_over_a_row_that_the_model_has_is_missing(shop):
    shop.bury(shop.key(2))
    assert faults(shop.verify()) == {"missing": 1}


def test_an_old_row_put_back_is_stale(shop):
    shop.serve("select * from orders where customer_id = 1 and order_count = 1")
    found = shop.verify()
    assert faults(found) == {"stale": 1}
    assert of_feature(found, "tags") == {"equal": KEYS - 1, "stale": 1}
    (example,) = found.examples
    assert [(each.feature, each.offline, each.online) for each in example.values] == [
        ("order_count", 2, 1),
        ("amount", "30.00", "10.50"),
        ("tags", [], ["new"]),
    ]


def test_a_row_of_the_same_event_loaded_earlier_is_stale(shop):
    shop.sql("insert into orders values (1, '2026-06-05 10:00', '2026-06-05 10:30', 7, 1, null)")
    shop.serve("select * from orders where customer_id = 1 and order_count = 7")
    assert faults(shop.verify()) == {"stale": 1}


def test_a_changed_value_is_different_in_its_feature_alone(shop):
    shop.serve(row(1, "2026-06-05 10:00", "2026-06-05 11:00", count="2", amount="30.01", tags="[]"))
    found = shop.verify()
    assert faults(found) == {"different": 1}
    assert of_feature(found, "amount") == {"equal": KEYS - 1, "different": 1}
    assert of_feature(found, "order_count") == {"equal": KEYS}


@pytest.mark.parametrize(("customer", "tags"), [(1, "null"), (2, "[]")])
def test_an_empty_list_is_not_null(shop, customer, tags):
    """P13."""
    values = {
        1: ("2026-06-05 10:00", "2026-06-05 11:00", "2", "30.00"),
        2: ("2026-06-02 10:00", "2026-06-02 11:00", "1", "5.25"),
    }
    placed, loaded, count, amount = values[customer]
    shop.serve(row(customer, placed, loaded, count=count, amount=amount, tags=tags))
    assert of_feature(shop.verify(), "tags")["different"] == 1


@pytest.mark.parametrize("sample", [None, 2, "100%"])
def test_a_row_that_the_warehouse_never_had_is_extra(shop, sample):
    shop.serve(row(77, "2026-06-01 10:00", "2026-06-01 11:00"))
    found = shop.verify(sample=sample)
    assert faults(found) == {"extra": 1}
    assert found.examples[0].keys == {"customer_id": 77}


def test_a_key_that_vanished_from_the_model_is_extra_until_a_full_sync(shop):
    shop.sql("delete from orders where customer_id = 3")
    assert faults(shop.verify()) == {"extra": 1}
    shop.sync(full=True)
    assert faults(shop.verify()) == {}


def test_a_newest_row_that_vanished_from_the_model_is_extra(shop):
    """The warehouse has only an older one."""
    shop.sql("delete from orders where order_count = 2")
    assert faults(shop.verify()) == {"extra": 1}


def test_a_key_that_no_value_has_is_extra(shop):
    (row_of_one,) = shop.store.read([shop.key(1)])
    shop.put(shop.key("one"), row_of_one)
    found = shop.verify()
    assert faults(found) == {"extra": 1}
    assert found.examples[0].keys == {"customer_id": "one"}


@pytest.mark.parametrize("text", ["9" * 19, "1" * 30])
def test_a_key_beyond_its_type_is_extra(shop, text):
    (row_of_one,) = shop.store.read([shop.key(1)])
    shop.put(shop.key(text), row_of_one)
    assert faults(shop.verify()) == {"extra": 1}


@pytest.mark.parametrize(
    ("fault", "by"),
    [("missing", "full"), ("stale", "full"), ("different", "full"), ("extra", "full"), ("newer", "rebuild")],
)
def test_a_sync_mends_every_fault(shop, fault, by):
    """What cli.verify advises."""
    if fault == "missing":
        shop.store.delete([shop.key(1)])
    elif fault == "stale":
        shop.serve("select * from orders where customer_id = 1 and order_count = 1")
    elif fault == "different":
        shop.serve("select * replace (9 as order_count) from orders where order_count = 2")
    elif fault == "extra":
        shop.sql("delete from orders where customer_id = 3")
    else:
        shop.serve(row(3, "2026-06-04 10:00", "2026-06-04 11:00"))
    assert not shop.verify().is_equal
    shop.sync(**{by: True})
    assert shop.verify().is_equal


def test_a_model_whose_types_changed_says_so(shop):
    shop.sql("alter table orders alter order_count type varchar")
    shop.sql("update orders set order_count = 'many'")
    assert "expected int64 as feature 1, the warehouse gave string" in shop.verify().problem


def test_all_faults_at_once_are_counted_apart(shop):
    shop.store.delete([shop.key(2)])
    shop.serve("select * from orders where customer_id = 1 and order_count = 1")
    shop.serve(row(3, "2026-06-03 10:00", "2026-06-03 11:00", count="null", amount="0.00"))
    shop.serve(row(78, "2026-06-01 10:00", "2026-06-01 11:00"))
    assert faults(shop.verify()) == {"missing": 1, "stale": 1, "different": 1, "extra": 1}


def test_a_row_that_came_after_the_sync_waits_and_is_no_fault(shop):
    shop.sql("insert into orders values (9, '2026-06-07', '2026-06-07', 9, 1, null)")
    found = shop.verify(at=datetime(2026, 6, 8, tzinfo=timezone.utc))
    assert (faults(found), found.is_equal) == ({"waiting": 1}, True)
    assert faults(shop.verify()) == {}  # at the watermark it is not there yet


def test_a_row_that_was_loaded_late_waits_and_is_no_fault(shop):
    """O6: beyond the watermark of created times; for a new key, and in place of an older row."""
    shop.sql("insert into orders values (2, '2026-06-04', '2026-06-08', 7, 1, null)")
    shop.sql("insert into orders values (9, '2026-06-01', '2026-06-08', 7, 1, null)")
    found = shop.verify()
    assert (faults(found), found.is_equal) == ({"waiting": 2}, True)
    shop.sync()
    assert faults(shop.verify()) == {}


def test_a_row_pushed_since_is_newer_and_no_fault(shop):
    shop.serve(row(1, "2026-06-09 10:00", "2026-06-09 10:00"))
    shop.serve(row(50, "2026-06-09 10:00", "2026-06-09 10:00"))
    found = shop.verify()
    assert (faults(found), found.is_equal) == ({"newer": 2}, True)


def test_a_pushed_row_within_the_watermark_is_no_excuse(shop):
    shop.serve(row(3, "2026-06-04 10:00", "2026-06-04 11:00"))
    assert faults(shop.verify()) == {"extra": 1}


def test_before_the_watermark_later_rows_are_newer(shop):
    found = shop.verify(at=datetime(2026, 6, 4, tzinfo=timezone.utc))
    assert (faults(found), found.is_equal) == ({"newer": 1}, True)


@pytest.mark.parametrize(
    ("age", "statuses"),
    [(3 * DAY, {"equal": 3}), (DAY, {"equal": 3})],
)
def test_ages_are_judged_alike_on_both_sides(tmp_path, age, statuses):
    """P17: OUTSIDE_MAX_AGE for a row too old, with P3's edge."""
    with opened(tmp_path, "sqlite:online.sqlite", replace(ORDERS, ttl_us=age)) as shop:
        shop.sync()
        found = shop.verify()
        assert (faults(found), found.rows.equal) == ({}, KEYS)
        for at in (
            datetime(2026, 6, 8, 10, tzinfo=timezone.utc),
            datetime(2026, 6, 8, 10, 0, 0, 1, tzinfo=timezone.utc),
        ):
            assert faults(shop.verify(at=at)) == {}


def test_a_row_that_the_store_may_forget_is_expired_and_no_fault(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite", replace(ORDERS, ttl_us=DAY)) as shop:
        shop.sync()
        shop.store.delete([shop.key(1)])
        found = shop.verify()
        assert (faults(found), found.is_equal) == ({"expired": 1}, True)


def test_a_sample_is_the_same_for_one_seed(shop):
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 1500) t(i)")
    shop.sync()
    shop.store.delete([shop.key(n) for n in range(1000, 1500, 2)])
    one, same, *others = (shop.verify(sample=50, seed=seed).rows.missing for seed in (1, 1, 2, 3, 4, 5))
    assert one == same
    assert 0 < one < 50
    assert set(others) != {one}


def test_a_view_that_was_never_synced_says_so(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        found = shop.verify()
        assert (found.is_equal, found.problem, found.hint) == (False, "never synced", "run featurestore materialize")


def test_a_view_of_which_a_range_was_synced_says_so(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sync(start=datetime(2026, 6, 1, tzinfo=timezone.utc))
        assert shop.verify().problem.startswith("no sync of all of it has ended yet")


def test_an_empty_model_that_was_synced_is_equal(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sql("delete from orders")
        shop.sync()
        found = shop.verify()
        assert (found.is_equal, found.checked) == (True, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"join_keys": (Column(name="order_count", type="int64"),)}, "its join keys changed since the last sync"),
        ({"delay_us": DAY}, "its source, keys or rules of time changed"),
        ({"features": ORDERS.features[:1]}, "its features changed"),
        ({"ttl_us": DAY}, "its ttl changed"),
    ],
)
def test_a_view_that_was_redefined_since_its_sync_says_so(shop, change, says):
    found = shop.verify(view=replace(FOREVER, **change))
    assert found.problem.startswith(says)
    assert found.hint == "run featurestore materialize"


def test_a_model_that_is_gone_says_so(shop):
    shop.sql("drop table orders")
    found = shop.verify()
    assert not found.is_equal
    assert "DuckDB refused a statement" in found.problem


@pytest.mark.parametrize(
    "change",
    [
        {"delay_us": DAY},
        {"boundary": "exclusive"},
        {"as_of": "knowledge"},
        {"created_at": None},
        {"event_time": Column(name="day", type="date"), "delay_us": DAY},
        {"valid_to": Column(name="until", type="timestamp")},
        {"join_keys": (), "entities": ()},
        {"join_keys": (Column(name="customer_id", type="int64"), Column(name="amount", type="decimal(10,2)"))},
        {"join_keys": (Column(name="placed_at", type="timestamp"),)},
        {"join_keys": (Column(name="name", type="string"),)},
        {"join_keys": (Column(name="code", type="uuid"),)},
    ],
)
def test_every_rule_of_time_and_every_key_agrees(tmp_path, change):
    """P17."""
    view = replace(FOREVER, features=(*ORDERS.features, Feature(name="share", type="float64")), **change)
    with opened(tmp_path, "sqlite:online.sqlite", view) as shop:
        shop.sql("alter table orders add column day date")
        shop.sql("alter table orders add column until timestamp")
        shop.sql("alter table orders add column name varchar")
        shop.sql("alter table orders add column code uuid")
        shop.sql("alter table orders add column share double")
        shop.sql(
            "update orders set day = placed_at::date, name = '{a|b%' || customer_id || '}', "
            "until = case when order_count = 1 then timestamp '2026-06-05 10:00' end, "
            "code = ('00000000-0000-0000-0000-00000000000' || customer_id)::uuid, "
            "share = case customer_id when 1 then 'nan'::double when 2 then -0.0 end"
        )
        shop.sync()
        assert faults(shop.verify()) == {}
        assert faults(shop.verify(sample=2)) == {}
        shop.store.delete(next(shop.store.keys(b"fs:shop:orders@0:{"))[:1])
        assert sum(faults(shop.verify()).values()) == 1


@pytest.mark.parametrize(
    ("kind", "offline", "online", "is_same"),
    [
        ("double", "0.0", "-0.0", False),
        ("double", "'nan'::double", "'-nan'::double", True),
        ("double", "0.1", "0.30000000000000004 - 0.2", False),
        ("double", "'nan'::double", "null", False),
        ("float", "0.1", "0.1", True),
        ("timestamp", "timestamp '2026-01-01'", "timestamp '2026-01-01 00:00:00.000001'", False),
        ("timestamptz", "timestamptz '2026-01-01 00:00:00+00'", "timestamptz '2026-01-01 02:00:00+02'", True),
        ("double[]", "[0.0, null]", "[-0.0::double, null]", False),
        ("double[]", "[0.0, null]", "[0.0, null]", True),
        ("decimal(10,2)", "1.10", "1.11", False),
        ("hugeint", "170141183460469231731687303715884105727", "170141183460469231731687303715884105726", False),
        ("varchar", "''", "null", False),
        ("boolean", "false", "null", False),
        ("date", "date '2026-01-01'", "date '2026-01-02'", False),
        ("time", "time '10:00:00.000001'", "time '10:00:00.000001'", True),
        ("struct(a integer)", "{'a': 1}", "{'a': 2}", False),
        ("struct(a integer)", "{'a': 1}", "{'a': 1}", True),
    ],
)
def test_values_compare_exactly(tmp_path, kind, offline, online, is_same):
    from featurestore.definitions.types import parse_type

    view = replace(FOREVER, features=(Feature(name="value", type=parse_type(kind)),))
    with opened(tmp_path, "sqlite:online.sqlite", view) as shop:
        shop.sql(f"alter table orders add column value {kind}")
        shop.sql(f"update orders set value = {offline}")
        shop.sync()
        assert faults(shop.verify()) == {}
        shop.serve(f"select * replace ({online}::{kind} as value) from orders where customer_id = 3")
        assert faults(shop.verify()) == ({} if is_same else {"different": 1})


def test_a_million_suspects_do_not_grow_without_bound(shop, monkeypatch):
    """Beyond a number of suspects, they are counted as found."""
    from featurestore.operations import comparison

    monkeypatch.setattr(comparison, "MOST_SUSPECTS", 10)
    shop.sql("insert into orders select i, '2026-06-01', '2026-06-08', 1, 1, null from range(1000, 1100) t(i)")
    shop.sync()
    shop.store.delete([shop.key(n) for n in range(1000, 1100)])
    assert faults(shop.verify()) == {"missing": 100}
