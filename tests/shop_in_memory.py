"""A tiny shop in a DuckDB file, with its definitions written by hand: no dbt, so a test starts in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from featurestore.definitions.durations import DAY
from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.training.examples import Model
from featurestore.training.request import Surroundings
from featurestore.warehouse.duckdb import open_warehouse
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse

ORDERS = FeatureView(
    name="orders",
    relation='"shop"."main"."orders"',
    entities=("customer",),
    join_keys=(Column(name="customer_id", type="int64"),),
    event_time=Column(name="placed_at", type="timestamp"),
    created_at=Column(name="loaded_at", type="timestamp"),
    ttl_us=30 * DAY,
    features=(
        Feature(name="order_count", type="int64"),
        Feature(name="amount", type="decimal(10,2)"),
        Feature(name="tags", type="list<string>"),
    ),
)
PROJECT = Project(
    name="shop",
    entities=(Entity(name="customer", join_keys=("customer_id",)),),
    views=(ORDERS,),
    services=(FeatureService(name="churn", features=("orders:order_count", "orders:amount")),),
)
ROWS = """
    (1, timestamp '2026-06-01 10:00', timestamp '2026-06-01 11:00', 1, 10.50, ['new']),
    (1, timestamp '2026-06-05 10:00', timestamp '2026-06-05 11:00', 2, 30.00, []),
    (2, timestamp '2026-06-02 10:00', timestamp '2026-06-02 11:00', 1, 5.25, null),
    (3, timestamp '2026-06-03 10:00', timestamp '2026-06-03 11:00', null, null, null)
"""


def make_shop(folder: Path, rows: str = ROWS) -> Path:
    """Write shop.duckdb with the orders, and a table of labels; returns the file."""
    path = folder / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table orders (customer_id bigint, placed_at timestamp, loaded_at timestamp, "
            "order_count bigint, amount decimal(10, 2), tags varchar[])"
        )
        connection.execute(f"insert into orders values {rows}")
        connection.execute(
            "create table labels as select * from (values "
            "(1, timestamp '2026-06-04', true), (9, timestamp '2026-06-04', false)) t(customer_id, label_at, bought)"
        )
    return path


def change_shop(folder: Path, statement: str) -> None:
    """Run one statement on the shop's file."""
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute(statement)


def shop_warehouse(folder: Path, read_only: bool = True) -> DuckDBWarehouse:
    """Open the shop."""
    return open_warehouse({"path": "shop.duckdb"}, base_dir=folder, read_only=read_only)


def around_shop(folder: Path, view: FeatureView = ORDERS) -> Surroundings:
    """What a training set of the shop is asked with."""
    models = {"labels": Model(relation='"shop"."main"."labels"')}
    return Surroundings(
        project=replace(PROJECT, views=(view,)),
        registry_version=7,
        model=models.get,
        open_warehouse=lambda read_only: shop_warehouse(folder, read_only),
        cards_dir=folder / "cards",
    )
