"""What the YAML says of time is what a training set shows: delay, boundary, knowledge, intervals, no entity."""

from __future__ import annotations

import pytest

from tests.cli.tiny import churn, labels, orders
from tests.manifest.manifests import columns, model, snapshot

AT_TEN = "2026-06-01T10:00:00Z"
TIERS = """
    create table user_tier as select * from (values
        (1::bigint, 'basic', timestamp '2026-06-01', timestamp '2026-06-05'),
        (1, 'gold', timestamp '2026-06-05', null)
    ) t(customer_id, tier, dbt_valid_from, dbt_valid_to)
"""
RATES = "create table rates as select date '2026-06-01' as day, 1.1::double as usd"


@pytest.fixture
def declared(tiny):
    """Apply the tiny project with other metadata of `orders`, a snapshot and a view without entity."""
    tiny.sql(TIERS)
    tiny.sql(RATES)

    def apply(**view):
        tier_types = {"customer_id": "bigint", "tier": "varchar"}
        tier_types |= dict.fromkeys(("dbt_valid_from", "dbt_valid_to"), "timestamp")
        tier = snapshot(meta={"feature_view": {"entities": ["customer"]}}, columns=columns(tier_types))
        rate_view = {"feature_view": {"entities": [], "event_time": "day", "delay": "1 day"}}
        rates = model("rates", meta=rate_view, columns=columns({"day": "date", "usd": "double"}))
        tiny.write_manifest(orders(view=view), tier, rates, labels(), churn())
        ran = tiny.run("apply")
        assert ran.code == 0, ran.err
        return tiny

    return apply


def seen(project, at, *options, features="orders:order_count"):
    """What customer 1 sees at that moment, with and without a spine."""
    spine = f"select 1::bigint as customer_id, timestamp '{at.replace('T', ' ').rstrip('Z')}' as event_timestamp"
    ran = project.run("training-set", "--spine", spine, "--features", features, *options, "--json")
    assert ran.code == 0, ran.err
    (row,) = ran.json["rows"]
    return row[features.rpartition(":")[2]]


@pytest.mark.parametrize(
    ("view", "at", "value"),
    [
        ({}, AT_TEN, 1),
        ({"boundary": "exclusive"}, AT_TEN, None),
        ({"boundary": "exclusive"}, "2026-06-01T10:00:00.000001Z", 1),
        ({"delay": "1h"}, "2026-06-01T10:59:59.999999Z", None),
        ({"delay": "1h"}, "2026-06-01T11:00:00Z", 1),
        ({"as_of": "knowledge"}, "2026-06-01T10:59:59.999999Z", None),
        ({"as_of": "knowledge"}, "2026-06-01T11:00:00Z", 1),
        ({"ttl": "1h"}, "2026-06-01T11:00:00Z", 1),
        ({"ttl": "1h"}, "2026-06-01T11:00:00.000001Z", None),
    ],
)
def test_what_a_view_declares(declared, view, at, value):
    """P2, P3, P7, P8; and P16: a snapshot at the same moment says the same."""
    project = declared(**view)
    assert seen(project, at) == value
    ran = project.run("training-set", "--at", at, "--features", "orders:order_count", "--json")
    assert {row["customer_id"]: row["order_count"] for row in ran.json["rows"]}[1] == value


@pytest.mark.parametrize(
    ("at", "value"),
    [("2026-05-31T00:00:00Z", None), ("2026-06-04T23:59:59.999999Z", "basic"), ("2026-06-05T00:00:00Z", "gold")],
)
def test_a_dbt_snapshot_counts_from_its_start_until_before_its_end(declared, at, value):
    """P9."""
    assert seen(declared(), at, features="user_tier:tier") == value


def test_a_view_without_entity_matches_on_time_and_its_delay_can_be_lifted(declared):
    """P7, P10."""
    project = declared()
    assert seen(project, "2026-06-01T23:59:59Z", features="rates:usd") is None
    assert seen(project, "2026-06-02T00:00:00Z", features="rates:usd") == 1.1
    assert seen(project, "2026-06-01T00:00:00Z", "--set", "rates.delay=none", features="rates:usd") == 1.1


def test_several_views_at_one_moment_and_a_range_of_one(declared):
    """P16."""
    project = declared()
    features = "orders:order_count,user_tier:tier,rates:usd"
    ran = project.run("training-set", "--at", "2026-06-03", "--features", features, "--event-timestamps", "--json")
    (row,) = (row for row in ran.json["rows"] if row["customer_id"] == 1)
    assert (row["order_count"], row["tier"], row["usd"]) == (1, "basic", 1.1)
    assert (row["orders__found"], row["user_tier__found"], row["rates__found"]) == (True, True, True)
    assert row["orders__event_timestamp"] == AT_TEN
    between = ("--start", "2026-06-01", "--end", "2026-06-02")
    ran = project.run("training-set", *between, "--features", "user_tier:tier", "--json")
    assert [row["tier"] for row in ran.json["rows"]] == ["basic"]
    refused = project.run("training-set", *between, "--features", "rates:usd", "--set", "rates.ttl=1d")
    assert (refused.code, refused.out) == (2, "")
    assert "start and end give every row as it is" in refused.err
