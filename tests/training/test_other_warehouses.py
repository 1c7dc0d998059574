"""A training set on warehouses that are not DuckDB: from a frame, from SQL and from nothing, into frames and tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.views import Feature
from featurestore.materialize.slices import ranges
from featurestore.sql.newest import SyncWindow, key_bounds_query, newest_query
from featurestore.training.request import Question, Surroundings, ask
from featurestore.warehouse.protocol import TableWrite
from tests.shop_in_memory import ORDERS

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # fakesnow asks DuckDB so

JUNE_9 = datetime(2026, 6, 9, tzinfo=timezone.utc)
ROWS = pa.table(
    {
        "customer_id": pa.array([1, 1, 2, 3], pa.int64()),
        "placed_at": [
            datetime(2026, 6, 1, 10),
            datetime(2026, 6, 5, 10),
            datetime(2026, 6, 2, 10),
            datetime(2026, 6, 3),
        ],
        "loaded_at": [
            datetime(2026, 6, 1, 11),
            datetime(2026, 6, 5, 11),
            datetime(2026, 6, 2, 11),
            datetime(2026, 6, 3),
        ],
        "order_count": pa.array([1, 2, 1, None], pa.int64()),
        "amount": pa.array([Decimal("10.50"), Decimal("30.00"), Decimal("5.25"), None], pa.decimal128(10, 2)),
    }
)


@pytest.fixture
def clickhouse():
    """A function that opens a ClickHouse with a database `shop`; the relation of the orders; no strategy forced."""
    pytest.importorskip("chdb", reason="chdb is not installed")
    from tests.warehouse.clickhouse_in_process import clickhouse_in_process

    with closing(clickhouse_in_process()) as keeper:
        keeper.execute("create database shop")
        yield clickhouse_in_process, "`shop`.`orders`", None
        keeper.execute("drop database shop")


@pytest.fixture
def snowflake(tmp_path):
    """The same of a Snowflake; its stand-in has no ASOF."""
    pytest.importorskip("fakesnow", reason="make test-snowflake runs it")
    from featurestore.warehouse.snowflake import open_warehouse
    from tests.warehouse.snowflake_here import account

    target = {**account(), "database": "SHOP_2", "schema": "FEATURES"}
    yield lambda: open_warehouse(target, base_dir=tmp_path), '"SHOP_2"."FEATURES"."orders"', "union_first"
    with closing(open_warehouse(target, base_dir=tmp_path)) as opened:
        for table in ("orders", "train"):
            opened.execute(f'DROP TABLE IF EXISTS "SHOP_2"."FEATURES"."{table}"')


@pytest.fixture(params=["clickhouse", "snowflake"])
def shop(request, tmp_path):
    """What a training set is asked with, the relation of the orders, and the strategy."""
    open_one, relation, strategy = request.getfixturevalue(request.param)
    with closing(open_one()) as opened:
        opened.upload("given orders", ROWS)
        assert opened.write_table(TableWrite(relation=relation), [], 'select * from "given orders"') == 4
        columns = {column.name: column for column in opened.columns([relation])[relation]}
    view = replace(
        ORDERS,
        relation=relation,
        join_keys=(columns["customer_id"],),
        event_time=columns["placed_at"],
        created_at=columns["loaded_at"],
        features=tuple(Feature(name=name, type=columns[name].type) for name in ("order_count", "amount")),
    )
    around = Surroundings(
        project=Project(name="shop", dialect=request.param, views=(view,)),
        registry_version=7,
        model=lambda name: None,
        open_warehouse=lambda read_only: open_one(),
        cards_dir=tmp_path / "cards",
    )
    return around, view, strategy


def test_a_frame_comes_back_in_its_order_with_its_index(shop):
    """P1, P3, P6."""
    around, _, strategy = shop
    spine = pd.DataFrame(
        {
            "customer_id": [2, 1, 9, 1, 1],
            "event_timestamp": [JUNE_9, JUNE_9, JUNE_9, datetime(2026, 6, 4), datetime(2026, 8, 1)],
        },
        index=list("vwxyz"),
    )
    spine["event_timestamp"] = pd.to_datetime(spine["event_timestamp"], utc=True)
    got = ask(Question(spine=spine, features=("orders",), strategy=strategy), around).to_df()
    assert list(got.index) == list("vwxyz")
    assert got["order_count"].tolist() == [1, 2, pd.NA, 1, pd.NA]
    assert got["amount"].tolist()[:2] == [Decimal("5.25"), Decimal("30.00")]


def test_examples_in_the_warehouse_become_a_table_there(shop):
    around, view, strategy = shop
    spine = f'select "customer_id", "placed_at" as "asked_at" from {view.relation}'
    table = view.relation.replace("orders", "train").replace("`", "")
    job = ask(Question(spine=spine, time="asked_at", features=("orders:order_count",), strategy=strategy), around)
    assert job.to_table(table).rows == 4
    with closing(around.open_warehouse(True)) as opened:
        got = opened.read(f'select "customer_id", "order_count" from {table}').read_all().to_pylist()
    assert sorted((row["customer_id"], row["order_count"]) for row in got if row["order_count"]) == [
        (1, 1),
        (1, 2),
        (2, 1),
    ]


def test_a_snapshot_needs_no_examples(shop):
    """P16."""
    around, _, strategy = shop
    got = ask(Question(at=JUNE_9, features=("orders:order_count",), strategy=strategy), around).to_arrow().to_pylist()
    assert sorted((row["customer_id"], row["order_count"]) for row in got if row["order_count"]) == [(1, 2), (2, 1)]
    assert len(got) == 3


def test_the_newest_rows_are_found(shop):
    """O5."""
    around, view, _ = shop
    sql = newest_query(view, SyncWindow(end=datetime(2026, 6, 4, tzinfo=timezone.utc)), dialect=around.project.dialect)
    with closing(around.open_warehouse(True)) as opened:
        got = opened.read(sql).read_all().to_pylist()
    assert [(row["customer_id"], row["order_count"]) for row in got] == [(1, 1), (2, 1), (3, None)]


def test_slices_of_the_keys_leave_no_row_out(shop):
    """O5."""
    around, view, _ = shop
    window, dialect = SyncWindow(end=JUNE_9), around.project.dialect
    with closing(around.open_warehouse(True)) as opened:
        bounds = opened.read(key_bounds_query(view, window, 2, keys=3, dialect=dialect)).read_all()["bound"].to_pylist()
        parts = [replace(window, keys=each) for each in ranges(bounds[:-1])]
        found = [opened.read(newest_query(view, part, dialect=dialect)).read_all().to_pylist() for part in parts]
    assert [sorted(row["customer_id"] for row in rows) for rows in found] == [[1], [2, 3]]
