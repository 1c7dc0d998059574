"""Rows of this process are added to a table, all or none: what was served, time after time."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from featurestore.errors import QueryError
from featurestore.warehouse.duckdb import open_warehouse
from featurestore.warehouse.protocol import TakesRows

MOMENT = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=timezone.utc)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request, tmp_path):
    if request.param == "postgres":
        yield request.getfixturevalue("postgres")
        return
    duckdb.connect(str(tmp_path / "shop.duckdb")).close()
    with closing(open_warehouse({"path": "shop.duckdb"}, base_dir=tmp_path, read_only=False)) as opened:
        yield opened


def rows(warehouse, sql='SELECT * FROM "the log" ORDER BY id'):
    return warehouse.read(sql).read_all().to_pylist()


def test_it_can(warehouse):
    assert isinstance(warehouse, TakesRows)


def test_the_table_is_made_with_the_types_of_the_rows(warehouse):
    table = pa.table(
        {
            "id": ["a", "b"],
            "served_at": pa.array([MOMENT, None], pa.timestamp("us", "UTC")),
            "n": pa.array([1, None], pa.int32()),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "day": pa.array([date(2026, 6, 1), None], pa.date32()),
            "tags": pa.array([["x", None], None], pa.list_(pa.string())),
            "raw": pa.array([b"\x00\xff", None], pa.binary()),
        }
    )
    assert warehouse.append('"the log"', table) == 2
    assert rows(warehouse) == table.to_pylist()
    assert {column.name: column.type for column in warehouse.schema('SELECT * FROM "the log"')} == {
        "id": "string",
        "served_at": "timestamptz",
        "n": "int32",
        "price": "decimal(10,2)",
        "day": "date",
        "tags": "list<string>",
        "raw": "bytes",
    }


def test_columns_that_are_new_are_added_and_those_that_are_gone_are_null(warehouse):
    warehouse.append('"the log"', pa.table({"id": ["a"], "old": [1]}))
    warehouse.append('"the log"', pa.table({"id": ["b"], "New Name": [2.5]}))
    assert rows(warehouse) == [{"id": "a", "old": 1, "New Name": None}, {"id": "b", "old": None, "New Name": 2.5}]


def test_rows_that_are_known_are_left_out_where_they_may_be_there(warehouse):
    warehouse.append('"the log"', pa.table({"id": ["a", "b"]}))
    assert warehouse.append('"the log"', pa.table({"id": ["b", "c"]}), known_by=("id",)) == 1
    assert warehouse.append('"the log"', pa.table({"id": ["d"]}), known_by=("id",)) == 1
    assert [row["id"] for row in rows(warehouse)] == ["a", "b", "c", "d"]


def test_the_first_rows_may_be_asked_for_too(warehouse):
    assert warehouse.append('"the log"', pa.table({"id": ["a"]}), known_by=("id",)) == 1


def test_a_narrower_column_takes_what_fits_and_refuses_the_rest_whole(warehouse):
    warehouse.append('"the log"', pa.table({"id": ["a"], "n": pa.array([1], pa.int32())}))
    assert warehouse.append('"the log"', pa.table({"id": ["b"], "n": pa.array([2], pa.int64())})) == 1
    with pytest.raises(QueryError):
        warehouse.append('"the log"', pa.table({"id": ["c", "d"], "n": [3, 2**40], "new": [1, 1]}))
    assert [(row["id"], row["n"]) for row in rows(warehouse)] == [("a", 1), ("b", 2)]
    assert warehouse.append('"the log"', pa.table({"id": ["e"], "n": [5]})) == 1


def test_a_schema_that_is_not_there_is_said(warehouse):
    with pytest.raises(QueryError):
        warehouse.append("nowhere.log", pa.table({"id": ["a"]}))


def test_a_role_that_may_only_insert_can_add_rows(open_postgres, admin):
    admin(
        "drop role if exists logger",
        "create role logger",
        "grant usage on schema shop to logger",
        "grant temporary on database shop_db to logger",
        "create table shop.log (id text)",
        "grant insert, select on shop.log to logger",
    )
    try:
        with closing(open_postgres(role="logger")) as warehouse:
            assert warehouse.append("shop.log", pa.table({"id": ["a"]})) == 1
            with pytest.raises(QueryError, match="owner"):
                warehouse.append("shop.log", pa.table({"id": ["a"], "new": [1]}))
    finally:
        admin("drop owned by logger", "drop role logger")
