"""What is sent to Databricks, and what becomes of its answers; never run against one."""

from __future__ import annotations

import sys
from datetime import datetime

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError
from featurestore.warehouse.databricks import DatabricksWarehouse, connection_options, home_of, open_warehouse
from featurestore.warehouse.protocol import TableWrite
from tests.warehouse import recorded
from tests.warehouse.recorded import Recording, RefusedError

TARGET = {"host": "dbc.example.com", "http_path": "/sql/1", "token": "s3cret", "catalog": "main", "schema": "features"}


class Cursor(recorded.Cursor):
    """Hands rows on as Arrow, as the connector does."""

    def fetchmany_arrow(self, size):
        rows = self.fetchmany(size)
        names = [column[0] for column in self.description]
        return pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)})


class Connection(recorded.Connection):
    """Makes such cursors."""

    def cursor(self):
        return Cursor(self.recording)


@pytest.fixture
def warehouse(request):
    recording = Recording("databricks", request.node.originalname)
    opened = DatabricksWarehouse(Connection(recording), refusals=(RefusedError,), home=home_of(TARGET))
    yield opened
    opened.close()
    recording.finish()


def test_examples_are_inserted_into_a_table_that_goes_with_the_connection(warehouse):
    given = pa.table(
        {
            "user id": ["a'b\\", None],
            "labelled_at": pa.array([1, None], pa.timestamp("us")),
            "seen_at": pa.array([1, None], pa.timestamp("us", tz="UTC")),
        }
    )
    warehouse.upload("__uploaded examples", given)
    rows = warehouse.read("SELECT count(*) AS n FROM `__uploaded examples`", batch_rows=1).read_all()
    assert rows.to_pylist() == [{"n": 2}, {"n": 3}]
    assert warehouse.lacks == {"temporary_tables"}


def test_columns_of_many_relations_come_at_once(warehouse):
    assert warehouse.columns(["`main`.`features`.`Orders`", "missing"]) == {
        "`main`.`features`.`Orders`": (Column(name="id", type="int64"), Column(name="at", type="timestamptz"))
    }


def test_a_schema_is_analysed_and_not_run(warehouse):
    assert warehouse.schema("SELECT 1 AS x") == (Column(name="x", type="int32"), Column(name="l", type="list<int64>"))


def test_tables_are_written_in_one_statement(warehouse):
    assert warehouse.write_table(TableWrite(relation="new"), ["SET x = 1"], "SELECT 1 AS x") == 1
    assert warehouse.write_table(TableWrite(relation="new", mode="replace"), [], "SELECT 1 AS x") == 2
    assert warehouse.write_table(TableWrite(relation="new", mode="append"), [], "SELECT 1 AS x") == 3
    again = TableWrite(relation="new", mode="append", partition=("day", "2024-05-17"))
    assert warehouse.write_table(again, [], "SELECT 1 AS x") == 4


def test_a_table_that_exists_and_a_partition_it_lacks_are_refused(warehouse):
    with pytest.raises(QueryError, match="already exists"):
        warehouse.write_table(TableWrite(relation="old"), ["the work"], "SELECT 1 AS x")
    nope = TableWrite(relation="old", mode="append", partition=("nope", "1"))
    with pytest.raises(QueryError, match="no column 'nope'"):
        warehouse.write_table(nope, [], "SELECT 1 AS x")
    other = TableWrite(relation="old", mode="append", partition=("x", "1"))
    with pytest.raises(QueryError, match="differ"):
        warehouse.write_table(other, [], "SELECT 1 AS y")


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"Databricks refused a statement(.|\n)*run dbt build"):
        warehouse.execute("SELECT * FROM nope")


def test_a_dbt_target_says_where_to_and_the_session_is_in_utc():
    made = connection_options({**TARGET, "session_properties": {"ansi_mode": "false", "use_cached_result": True}})
    assert made == {
        "server_hostname": "dbc.example.com",
        "http_path": "/sql/1",
        "access_token": "s3cret",
        "catalog": "main",
        "schema": "features",
        "session_configuration": {"ansi_mode": "true", "timezone": "UTC", "use_cached_result": "True"},
    }
    by_client = connection_options({"host": "x", "client_id": "me", "client_secret": "s3cret", "auth_type": "oauth"})
    assert (by_client["oauth_client_id"], by_client["auth_type"]) == ("me", "oauth")


def test_a_missing_connector_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "databricks", None)
    with pytest.raises(UsageError, match=r"featurestore\[databricks\]"):
        open_warehouse(TARGET, base_dir=tmp_path)


def test_an_hour_that_is_there_twice_stays_two(warehouse):
    """P14: nothing of what is uploaded goes through the session's zone."""
    twice = [datetime(2024, 11, 3, 5, 30), datetime(2024, 11, 3, 6, 30)]  # half past one in New York, both
    warehouse.upload("x", pa.table({"seen_at": pa.array(twice).cast(pa.timestamp("us", tz="UTC"))}))
