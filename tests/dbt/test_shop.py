"""The example shop, installed and built by real dbt as a stranger would, and its training sets recomputed in Python."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.shop import copy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

pytestmark = pytest.mark.slow

Row = dict[str, Any]
MIDNIGHT = datetime.min.time()


def table(shop, name: str) -> list[Row]:
    """All rows of a table that dbt built."""
    with duckdb.connect(str(shop.database), read_only=True) as connection:
        return connection.sql(f"select * from {name}").to_arrow_table().to_pylist()


def newest(rows: Sequence[Row], rank: Callable[[Row], Any]) -> Row:
    """The row with the highest rank, or one in which everything is None."""
    return max(rows, key=rank) if rows else _Nothing()


class _Nothing(dict[str, Any]):
    def __missing__(self, key: str) -> None:
        return None


def test_the_build_passes_without_a_warning(shop):
    log = (shop.project_dir.parent / "build.log").read_text()
    assert "Completed successfully" in log
    assert " WARN=0 ERROR=0 SKIP=0 " in log
    assert "[WARNING]" not in log
    assert "Deprecation" not in log


def test_the_manifest_names_the_views_entities_and_services(shop):
    manifest = json.loads(shop.manifest.read_text())
    meta = {
        node["name"]: node["config"]["meta"]
        for node in manifest["nodes"].values()
        if node["resource_type"] in {"model", "snapshot"}
    }
    assert {name for name, found in meta.items() if "feature_view" in found} == {
        "customer_orders",
        "customer_products",
        "customer_tier",
        "location_conditions",
        "product_demand",
        "product_price",
        "shop_days",
    }
    assert {found["feature_entity"]["name"] for found in meta.values() if "feature_entity" in found} == {
        "customer",
        "location",
        "product",
    }
    services = {exposure["name"] for exposure in manifest["exposures"].values() if exposure["type"] == "ml"}
    assert services == {"repeat_purchase_v1", "delivery_delay_v1"}


def test_a_service_and_its_training_set_ask_for_the_same_features(shop):
    """The exposure and the model name them in two places; here they are held together."""
    manifest = json.loads(shop.manifest.read_text())
    for service, model in (
        ("repeat_purchase_v1", "repeat_purchase_training"),
        ("delivery_delay_v1", "delivery_delay_training"),
    ):
        asked = manifest["exposures"][f"exposure.shop.{service}"]["config"]["meta"]["feature_service"]["features"]
        written = manifest["nodes"][f"model.shop.{model}"]["raw_code"]
        positions = [written.find(f'"{reference}"') for reference in asked]
        assert -1 not in positions
        assert positions == sorted(positions)


def test_feature_tables_lie_in_the_order_of_entity_and_event_time(shop):
    """`order_by_entity_time`: 1.4 to 1.8 times faster to read."""
    for name, keys in (
        ("customer_orders", ["customer_id", "placed_at"]),
        ("product_demand_v1", ["product_id", "placed_at"]),
    ):
        rows = [tuple(row[key] for key in keys) for row in table(shop, name) if None not in row.values()]
        assert rows == sorted(rows)


def test_the_data_has_the_traps_in_it(shop):
    orders = [row for row in table(shop, "customer_orders") if row["customer_id"] is not None]
    instants = [(row["customer_id"], row["placed_at"]) for row in orders]
    loaded = [(*instant, row["loaded_at"]) for instant, row in zip(instants, orders, strict=True)]
    assert len(set(instants)) < len(set(loaded)) < len(loaded), "ties, told apart by the loading and not at all"
    assert len(orders) < len(table(shop, "customer_orders")), "guests"
    assert any(row["loaded_at"] - row["placed_at"] > timedelta(days=3) for row in orders), "late rows"
    assert any((row["days_since_previous"] or 0) > 30 for row in orders), "gaps longer than the ttl"
    reports = table(shop, "location_conditions")
    assert any(row["location_id"] is None for row in reports)
    assert any(row["loaded_at"] is None for row in reports)
    parcels = [(row["order_id"], row["shipped_at"]) for row in table(shop, "delivery_labels")]
    assert len(set(parcels)) < len(parcels), "equal examples"


def test_repeat_purchase_training_is_what_the_rules_say(shop):
    """P1-P9, by loops over the rows."""
    views = {
        name: table(shop, name)
        for name in (
            "customer_orders",
            "customer_products",
            "product_demand_v2",
            "product_price",
            "customer_tier",
            "shop_days",
        )
    }
    expected = []
    for example in table(shop, "order_labels"):
        at, customer, product = example["asked_at"], example["customer_id"], example["product_id"]
        orders = newest(
            [
                row
                for row in views["customer_orders"]
                if row["customer_id"] == customer and timedelta() <= at - row["placed_at"] <= timedelta(days=30)
            ],
            lambda row: (
                row["placed_at"],
                row["loaded_at"],
                row["orders_30d"],
                row["spend_30d_usd"],
                row["last_order_usd"],
            ),
        )
        bought = newest(
            [
                row
                for row in views["customer_products"]
                if (row["customer_id"], row["product_id"]) == (customer, product) and row["placed_at"] <= at
            ],
            lambda row: (row["placed_at"], row["loaded_at"]),
        )
        demand = newest(
            [
                row
                for row in views["product_demand_v2"]
                if row["product_id"] == product and timedelta() <= at - row["placed_at"] <= timedelta(days=14)
            ],
            lambda row: (row["placed_at"], row["loaded_at"]),
        )
        price = newest(
            [row for row in views["product_price"] if row["product_id"] == product and is_valid(row, at)],
            lambda row: row["valid_from"],
        )
        tier = newest(
            [row for row in views["customer_tier"] if row["customer_id"] == customer and is_valid(row, at, "dbt_")],
            lambda row: row["dbt_valid_from"],
        )
        expected.append(
            {
                **example,
                "orders_30d": orders["orders_30d"],
                "spend_30d_usd": orders["spend_30d_usd"],
                "days_since_previous": orders["days_since_previous"],
                "times_bought": bought["times_bought"],
                "units_7d": demand["units_7d"],
                "price_usd": price["price_usd"],
                "tier": tier["tier"],
                "orders_1d": shop_day(views["shop_days"], at)["orders_1d"],
            }
        )
    got = table(shop, "repeat_purchase_training")
    assert [list(row) for row in got[:1]] == [list(row) for row in expected[:1]], "column order"
    assert in_order(got) == in_order(expected)


def test_delivery_delay_training_is_what_the_rules_say(shop):
    """P1, P2 (guests), P3, P6, P8 (reports count when loaded), P11 (origin and destination), P12 (full names)."""
    views = {
        name: table(shop, name) for name in ("location_conditions", "product_demand_v1", "customer_tier", "shop_days")
    }
    expected = []
    for example in table(shop, "delivery_labels"):
        at = example["shipped_at"]
        origin = report(views["location_conditions"], example["origin_id"], at)
        destination = report(views["location_conditions"], example["destination_id"], at)
        demand = newest(
            [
                row
                for row in views["product_demand_v1"]
                if row["product_id"] == example["product_id"]
                and timedelta() <= at - row["placed_at"] <= timedelta(days=14)
            ],
            lambda row: (row["placed_at"], row["loaded_at"]),
        )
        tiers = [
            row
            for row in views["customer_tier"]
            if row["customer_id"] == example["customer_id"] and is_valid(row, at, "dbt_")
        ]
        expected.append(
            {
                **example,
                "origin__backlog_parcels": origin["backlog_parcels"],
                "origin__temperature_c": origin["temperature_c"],
                "destination__backlog_parcels": destination["backlog_parcels"],
                "destination__temperature_c": destination["temperature_c"],
                "product_demand__units_7d": demand["units_7d"],
                "customer_tier__tier": newest(tiers, lambda row: row["dbt_valid_from"])["tier"],
                "shop_days__orders_1d": shop_day(views["shop_days"], at)["orders_1d"],
            }
        )
    got = table(shop, "delivery_delay_training")
    assert [list(row) for row in got[:1]] == [list(row) for row in expected[:1]], "column order"
    assert in_order(got) == in_order(expected)


def test_dbt_works_again_where_it_was_built(shop, tmp_path):
    """`dbt parse` after the build, with what dbt cached; in a copy, since others read the manifest meanwhile."""
    done = copy_of(shop, tmp_path / "mine").dbt("parse")
    assert done.returncode == 0, done.stdout


def is_valid(row: Row, at: datetime, prefix: str = "") -> bool:
    """P9."""
    until = row[f"{prefix}valid_to"]
    return row[f"{prefix}valid_from"] <= at and (until is None or at < until)


def shop_day(days: Sequence[Row], at: datetime) -> Row:
    """P7, P10: the newest day that has been over for six hours, no older than a week."""

    def begins(day: date) -> datetime:
        return datetime.combine(day, MIDNIGHT)

    usable = [row for row in days if timedelta(hours=30) <= at - begins(row["sold_on"]) <= timedelta(days=7)]
    return newest(usable, lambda row: row["sold_on"])


def report(reports: Sequence[Row], location: str, at: datetime) -> Mapping[str, Any]:
    """P8: the newest morning of which a report had been loaded; of its reports the last loaded."""
    known = [
        row
        for row in reports
        if row["location_id"] == location
        and row["loaded_at"] is not None
        and row["loaded_at"] <= at
        and timedelta() <= at - row["reported_at"] <= timedelta(hours=36)
    ]
    return newest(known, lambda row: (row["reported_at"], row["loaded_at"], row["backlog_parcels"]))


def in_order(rows: Sequence[Row]) -> list[str]:
    """Rows as a bag."""
    return sorted(repr(list(row.items())) for row in rows)
