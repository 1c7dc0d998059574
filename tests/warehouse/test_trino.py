"""What is sent to Trino, and what becomes of its answers; never run against one."""

from __future__ import annotations

import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.trino import TrinoWarehouse, connection_options, home_of, open_warehouse
from tests.warehouse.recorded import Connection, Recording, RefusedError

TARGET = {"host": "trino.example.com", "port": 443, "user": "ann", "database": "lake", "schema": "features"}
EXAMPLES = pa.table(
    {
        "user id": ["a'b", None],
        "labelled_at": pa.array([1, None], pa.timestamp("us")),
        "seen_at": pa.array([1, None], pa.timestamp("ns", tz="Asia/Kolkata")),
        "day": [date(2024, 5, 17), None],
        "price": [Decimal("1.50"), None],
        "score": [0.1, float("nan")],
        "is_new": [True, None],
        "raw": [b"\x00\xff", None],
    }
)


@pytest.fixture
def recording(request):
    made = Recording("trino", request.node.originalname)
    yield made
    made.finish()


@pytest.fixture
def warehouse(recording):
    opened = TrinoWarehouse(Connection(recording), refusals=(RefusedError,), home=home_of(TARGET))
    yield opened
    opened.close()


def test_examples_are_inserted_into_a_table_that_goes_with_the_connection(warehouse):
    warehouse.upload("__uploaded examples", EXAMPLES)
    assert warehouse.read('SELECT count(*) AS n FROM "__uploaded examples"').read_all().to_pylist() == [{"n": 2}]
    assert warehouse.lacks == {"temporary_tables"}


def test_rows_become_arrow_with_the_types_that_trino_says(warehouse):
    table = warehouse.read("SELECT * FROM t", batch_rows=1).read_all()
    assert table.schema == pa.schema(
        [
            ("x", pa.int64()),
            ("at", pa.timestamp("us")),
            ("seen_at", pa.timestamp("us", tz="UTC")),
            ("price", pa.decimal128(10, 2)),
            ("tags", pa.list_(pa.string())),
            ("extra", pa.string()),
        ]
    )
    assert table.to_pylist() == [
        {"x": 1, "at": datetime(2024, 5, 17, 12, 0, 0, 1), "seen_at": datetime(2024, 5, 17, 12, tzinfo=timezone.utc),
         "price": Decimal("1.50"), "tags": ["a"], "extra": '{"a": 1}'},
        dict.fromkeys(table.column_names),
    ]  # fmt: skip


def test_columns_of_several_catalogs_come_at_once(warehouse):
    assert warehouse.columns(['"lake"."features"."orders"', "other.s.t", "missing"]) == {
        '"lake"."features"."orders"': (Column(name="id", type="int64"), Column(name="at", type="timestamp")),
        "other.s.t": (Column(name="x", type="string"),),
    }


def test_a_schema_is_prepared_and_not_run(warehouse):
    assert warehouse.schema("SELECT 1.5 AS x") == (Column(name="x", type="decimal(2,1)"),)


def test_tables_are_written_in_one_statement(warehouse):
    assert warehouse.write_table(TableWrite(relation="new"), [], "SELECT 1 AS x") == 1
    with pytest.raises(QueryError, match="already exists"):
        warehouse.write_table(TableWrite(relation="old"), ["the work"], "SELECT 1 AS x")
    assert warehouse.write_table(TableWrite(relation="old", mode="replace"), [], "SELECT 1 AS x") == 2
    assert warehouse.write_table(TableWrite(relation="old", mode="append"), [], "SELECT 1 AS x") == 3
    with pytest.raises(QueryError, match="cannot replace a partition"):
        warehouse.write_table(TableWrite(relation="old", mode="append", partition=("d", "1")), [], "SELECT 1 AS x")


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"Trino refused a statement: .*line 1:15(.|\n)*run dbt build"):
        warehouse.read("SELECT * FROM nope")


def test_ctrl_c_cancels_the_query(warehouse, recording, monkeypatch):
    monkeypatch.setattr(recording, "take", lambda statement: recording.run_until_cancelled() or {})
    with pytest.raises(KeyboardInterrupt):
        warehouse.execute("SELECT 1")
    assert recording.cancelled >= 1


def test_what_abandon_gives_up_is_cancelled(warehouse, recording):
    warehouse.read("SELECT 1 AS x")
    warehouse.abandon()
    assert recording.cancelled == 1


def test_a_dbt_target_says_where_to():
    options = connection_options({**TARGET, "http_scheme": "https", "threads": 4, "password": "s3cret"})
    assert options == {
        "host": "trino.example.com", "port": 443, "user": "ann", "catalog": "lake", "schema": "features",
        "http_scheme": "https", "source": "featurestore", "timezone": "UTC",
    }  # fmt: skip


def test_a_missing_client_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trino", None)
    with pytest.raises(UsageError, match=r"featurestore\[trino\]"):
        open_warehouse(TARGET, base_dir=tmp_path)


def test_a_list_is_refused_before_anything_is_made(recording_free):
    with pytest.raises(UsageError, match="the column 'tags' of the examples is list"):
        recording_free.upload("x", pa.table({"tags": [["a"]]}))


@pytest.fixture
def recording_free():
    """A warehouse that is sent nothing."""
    recording = Recording.__new__(Recording)
    recording.waiting, recording.cancelled, recording.closed = [], 0, 0
    opened = TrinoWarehouse(Connection(recording), refusals=(RefusedError,), home=home_of(TARGET))
    yield opened
    opened.close()
