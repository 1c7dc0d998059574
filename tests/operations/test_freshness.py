"""freshness says how old what is served is, and what waits; the clock is given."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from featurestore.definitions.durations import DAY, HOUR
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.operations.freshness import view_freshness
from featurestore.operations.run import freshness_of
from tests.operations.shops import FOREVER, opened
from tests.shop_in_memory import ORDERS

NEWEST = datetime(2026, 6, 5, 10, tzinfo=timezone.utc)
NOON = datetime(2026, 6, 10, 10, tzinfo=timezone.utc)


def measured(shop, view=None, *, max_age_us=None, now=NOON, online_only=False):
    if online_only:
        return view_freshness(view or shop.view, shop.store, None, max_age_us=max_age_us, now=now)
    with closing(shop.warehouse()) as warehouse:
        return view_freshness(view or shop.view, shop.store, warehouse, max_age_us=max_age_us, now=now)


def test_what_was_just_synced_is_fresh(shop):
    found = measured(shop)
    assert (found.state, found.problem, found.is_bad) == ("fresh", None, False)
    assert (found.offline, found.online, found.waiting) == (NEWEST, NEWEST, 0)
    assert (found.age_s, found.limit_s) == (timedelta(days=5).total_seconds(), None)
    assert datetime.now(timezone.utc) - found.synced_at < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("limit_us", "state"),
    [(5 * DAY, "fresh"), (5 * DAY - 1, "stale"), (6 * DAY, "fresh"), (2 * HOUR, "stale")],
)
def test_a_view_is_stale_when_its_newest_event_is_older_than_the_limit(shop, limit_us, state):
    """P3's edge: exactly as old is not too old."""
    assert measured(shop, max_age_us=limit_us).state == state


def test_without_a_limit_of_its_own_the_ttl_is_the_limit(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite", replace(ORDERS, ttl_us=2 * DAY)) as shop:
        shop.sync()
        found = measured(shop)
        assert (found.state, found.is_bad, found.limit_s) == ("stale", True, 2 * 86400)
        assert (found.problem, found.hint) == ("older than 2d", "run dbt build: the warehouse has nothing newer")
        assert measured(shop, max_age_us=9 * DAY).state == "fresh"


def test_a_stale_view_whose_rows_wait_needs_a_sync_and_no_dbt(shop):
    shop.sql("insert into orders values (1, '2026-06-10', '2026-06-10', 3, 1, null)")
    found = measured(shop, max_age_us=2 * DAY)
    assert (found.state, found.waiting) == ("stale", 1)
    assert (found.problem, found.hint) == ("older than 2d", "run featurestore materialize")


def test_rows_that_wait_leave_a_view_behind(shop):
    """Beyond the watermark of event times, and of created times."""
    shop.sql("insert into orders values (1, '2026-06-10', '2026-06-10', 3, 1, null)")
    shop.sql("insert into orders values (2, '2026-06-01', '2026-06-09', 3, 1, null)")
    found = measured(shop)
    assert (found.state, found.waiting, found.is_bad) == ("behind", 2, False)
    assert (found.problem, found.hint) == ("2 rows wait for a sync", "run featurestore materialize")
    shop.sync()
    assert (measured(shop).state, measured(shop).waiting) == ("fresh", 0)


def test_without_a_created_time_only_later_events_wait(tmp_path):
    """A sync looks further back, to be sure; that is not what waits."""
    with opened(tmp_path, "sqlite:online.sqlite", replace(FOREVER, created_at=None)) as shop:
        shop.sync()
        assert measured(shop).waiting == 0
        shop.sql("insert into orders values (1, '2026-06-05 10:00:00.000001', null, 3, 1, null)")
        assert measured(shop).waiting == 1


def test_rows_of_the_future_do_not_wait_yet(shop):
    shop.sql("insert into orders values (1, '2026-06-11', '2026-06-09', 3, 1, null)")
    assert measured(shop).waiting == 0


def test_a_view_that_was_never_synced_is_bad(tmp_path):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        found = measured(shop)
        assert (found.state, found.is_bad, found.waiting) == ("never synced", True, 4)
        assert (found.problem, found.hint) == ("never synced", "run featurestore materialize")
        shop.sql("delete from orders")
        assert measured(shop).problem.startswith("the model has no usable row")


def test_a_redefined_view_is_behind(shop):
    found = measured(shop, replace(FOREVER, event_time=Column(name="loaded_at", type="timestamp"), created_at=None))
    assert (found.state, found.is_bad) == ("behind", False)
    assert found.problem.startswith("its source, keys or rules of time changed since the last sync")


def test_the_online_side_can_be_asked_alone(shop):
    shop.sql("drop table orders")
    found = measured(shop, online_only=True, max_age_us=2 * DAY)
    assert (found.state, found.offline, found.waiting) == ("stale", None, None)
    assert (found.problem, found.hint) == ("older than 2d", "run featurestore materialize")


def test_a_model_that_is_gone_says_so(shop):
    shop.sql("drop table orders")
    assert measured(shop).problem.startswith("the warehouse cannot be asked: DuckDB refused a statement")


@pytest.mark.parametrize("limit", ["2 moons", "0s", timedelta(0)])
def test_a_limit_has_to_be_a_duration(shop, limit):
    with pytest.raises(UsageError, match="duration"):
        freshness_of(shop.project, None, shop.store, None, max_age=limit)


def test_limits_are_text_or_timedeltas(shop):
    asked = [freshness_of(shop.project, None, shop.store, None, max_age=it) for it in ("2h", timedelta(hours=2))]
    assert [found.limit_s for (found,) in asked] == [7200, 7200]
