"""What is sent to Redshift, and what becomes of its answers; never run against one."""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.redshift import RedshiftWarehouse, connection_options, open_warehouse
from tests.warehouse.recorded import Connection, Recording, RefusedError

TARGET = {"host": "x.redshift.amazonaws.com", "port": 5439, "dbname": "shop", "user": "ann", "schema": "features"}


@pytest.fixture
def recording(request):
    made = Recording("redshift", request.node.originalname)
    yield made
    made.finish()


@pytest.fixture
def warehouse(recording):
    opened = RedshiftWarehouse(lambda: Connection(recording), refusals=(RefusedError,), schema="features")
    yield opened
    opened.close()


def test_examples_are_inserted_into_a_temporary_table(warehouse):
    given = pa.table(
        {
            "user id": ["a'b\\", None],
            "labelled_at": pa.array([1, None], pa.timestamp("us")),
            "seen_at": pa.array([1, None], pa.timestamp("us", tz="UTC")),
            "score": [float("inf"), 1e-7],
        }
    )
    warehouse.upload("__uploaded examples", given)


def test_a_great_spine_is_sent_in_bounded_statements(warehouse, recording):
    recording.waiting.clear()
    sent = []
    recording.take = lambda statement: sent.append(statement) or {}
    warehouse.upload("x", pa.table({"n": list(range(2_500)), "text": ["a" * 900] * 2_500}))
    inserts = [statement for statement in sent if statement.startswith("INSERT")]
    assert sum(statement.count("(") - 1 for statement in inserts) == 2_500
    assert max(map(len, inserts)) < 600_000
    assert max(statement.count("(") - 1 for statement in inserts) <= 1_000


def test_rows_become_arrow_and_a_numeric_keeps_its_digits(warehouse):
    table = warehouse.read("SELECT * FROM t", batch_rows=1).read_all()
    assert table.schema.types == [pa.int64(), pa.timestamp("us"), pa.decimal128(38, 2), pa.string(), pa.float64()]
    assert table.to_pylist() == [
        {"x": 1, "at": datetime(2024, 5, 17, 12, 0, 0, 1), "price": Decimal("1.50"), "name": "a", "score": 0.5},
        dict.fromkeys(table.column_names),
    ]


def test_no_rows_have_columns_all_the_same(warehouse):
    assert warehouse.read("SELECT 1 AS x").read_all().schema == pa.schema([("x", pa.int32())])


def test_columns_of_many_relations_come_at_once(warehouse):
    assert warehouse.columns(['"shop"."features"."orders"', "missing"]) == {
        '"shop"."features"."orders"': (
            Column(name="id", type="int64"),
            Column(name="price", type="decimal(10,2)"),
            Column(name="at", type="timestamp"),
        )
    }


def test_a_schema_is_asked_for_no_row(warehouse):
    assert warehouse.schema("SELECT 1 AS x") == (Column(name="x", type="int32"), Column(name="t", type="timestamptz"))


def test_tables_are_written_in_one_transaction(warehouse):
    assert warehouse.write_table(TableWrite(relation="new"), ["CREATE TEMP TABLE s"], "SELECT 1 AS x") == 1
    assert warehouse.write_table(TableWrite(relation="new", mode="replace"), [], "SELECT 1 AS x") == 2
    again = TableWrite(relation="new", mode="append", partition=("day", "2024-05-17"))
    assert warehouse.write_table(again, [], "SELECT 1 AS x") == 3


def test_what_fails_in_between_is_rolled_back(warehouse):
    with pytest.raises(QueryError, match="disk full"):
        warehouse.write_table(TableWrite(relation="new"), [], "SELECT 1 AS x")


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"Redshift refused a statement(.|\n)*run dbt build"):
        warehouse.execute("SELECT * FROM nope")


def test_ctrl_c_cancels_the_process_over_another_connection(warehouse, recording):
    sent = []

    def take(statement):
        sent.append(statement)
        if statement == "SELECT slow":
            recording.run_until_cancelled()
        else:
            recording.cancel()
        return {}

    recording.take = take
    with pytest.raises(KeyboardInterrupt):
        warehouse.execute("SELECT slow")
    assert sent == ["SELECT slow"] + ["SELECT pg_cancel_backend(77)"] * recording.cancelled


def test_a_dbt_target_says_where_to_and_by_which_right():
    by_password = connection_options({**TARGET, "password": "s3cret", "method": "database", "sslmode": "verify-ca"})
    assert by_password == {
        "host": "x.redshift.amazonaws.com", "port": 5439, "database": "shop", "user": "ann", "password": "s3cret",
        "sslmode": "verify-ca", "application_name": "featurestore",
    }  # fmt: skip
    by_iam = connection_options({**TARGET, "method": "iam", "cluster_id": "c1", "region": "eu-west-1"})
    assert (by_iam["iam"], by_iam["db_user"], by_iam["cluster_identifier"]) == (True, "ann", "c1")
    assert "user" not in by_iam


def test_a_missing_connector_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "redshift_connector", None)
    with pytest.raises(UsageError, match=r"featurestore\[redshift\]"):
        open_warehouse(TARGET, base_dir=tmp_path)
