"""What is sent to BigQuery, and what becomes of its answers; never run against it.

The client here stands for `google.cloud.bigquery`: it checks the statements, and that all of them are in one session.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError
from featurestore.warehouse.bigquery import open_warehouse
from featurestore.warehouse.bigquery.target import credentials_of, dataset_of
from featurestore.warehouse.bigquery.warehouse import BigQueryWarehouse
from featurestore.warehouse.protocol import TableWrite
from tests.warehouse.recorded import Recording, RefusedError, value_of

TARGET = {"project": "shop", "dataset": "features", "method": "oauth"}
ARROW = {"INTEGER": pa.int64(), "STRING": pa.string(), "DATETIME": pa.timestamp("us"), "NUMERIC": pa.decimal128(38, 9),
         "TIMESTAMP": pa.timestamp("us", tz="UTC"), "FLOAT": pa.float64()}  # fmt: skip


@dataclass
class SchemaField:
    name: str
    field_type: str
    mode: str = "NULLABLE"
    precision: int | None = None
    scale: int | None = None


@dataclass
class ConnectionProperty:
    key: str
    value: str


@dataclass
class QueryJobConfig:
    dry_run: bool = False
    priority: str | None = None
    maximum_bytes_billed: int | None = None
    create_session: bool = False
    connection_properties: list[ConnectionProperty] = field(default_factory=list)


@dataclass
class LoadJobConfig:
    source_format: str
    write_disposition: str
    schema: list[SchemaField]


class Library:
    """The names of the module that are used."""

    SchemaField, ConnectionProperty = SchemaField, ConnectionProperty
    QueryJobConfig, LoadJobConfig = QueryJobConfig, LoadJobConfig


class Rows:
    """A result."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.schema = [SchemaField(*column) for column in answer.get("columns", [])]
        self.rows = [[value_of(value) for value in row] for row in answer.get("rows", [])]

    def __iter__(self):
        names = [column.name for column in self.schema]
        return (dict(zip(names, row, strict=True)) for row in self.rows)

    def to_arrow_iterable(self):
        for row in self.rows:
            arrays = [
                pa.array([value], ARROW[column.field_type]) for value, column in zip(row, self.schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in self.schema])


class Job:
    """A job that is done."""

    def __init__(self, client: Client, answer: dict[str, Any]) -> None:
        self.client = client
        self.rows = Rows(answer)
        self.schema = self.rows.schema
        self.session_info = ConnectionProperty("session", "s1")
        self.session_info.session_id = "s1"

    def result(self):
        return self.rows

    def cancel(self):
        self.client.recording.cancel()


class Client:
    """The client."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.sessions = 0

    def query(self, query, job_config):
        if job_config.dry_run:
            return Job(self, self.recording.take(f"DRY RUN {query}"))
        assert job_config.priority == "BATCH"
        if self.sessions:
            assert job_config.connection_properties == [ConnectionProperty("session_id", "s1")]
        else:
            assert job_config.create_session
        self.sessions += job_config.create_session
        return Job(self, self.recording.take(query))

    def load_table_from_file(self, file, destination, job_config):
        columns = ", ".join(f"{column.name} {column.field_type}" for column in job_config.schema)
        assert (job_config.source_format, job_config.write_disposition) == ("PARQUET", "WRITE_EMPTY")
        self.loaded = pq.read_table(file)
        return Job(self, self.recording.take(f"LOAD {destination} ({columns})"))

    def close(self):
        self.recording.closed += 1


@pytest.fixture
def recording(request):
    made = Recording("bigquery", request.node.originalname)
    yield made
    made.finish()


@pytest.fixture
def client(recording):
    return Client(recording)


@pytest.fixture
def warehouse(client):
    limits = {"priority": "BATCH", "maximum_bytes_billed": None}
    opened = BigQueryWarehouse(client, Library, refusals=(RefusedError,), home=dataset_of(TARGET), limits=limits)
    yield opened
    opened.close()


def test_examples_are_loaded_beside_and_copied_into_a_temporary_table(warehouse, client):
    given = pa.table(
        {
            "user id": pa.array(["a", None]).dictionary_encode(),
            "labelled_at": pa.array([1_001, None], pa.timestamp("ns")),
            "seen_at": pa.array([1, None], pa.timestamp("us", tz="Asia/Kolkata")),
            "price": [Decimal("1.50"), None],
            "big": pa.array([2**64 - 1, None], pa.uint64()),
        }
    )
    warehouse.upload("__uploaded examples", given)
    assert client.loaded.schema.field("labelled_at").type == pa.timestamp("us")
    assert client.loaded.to_pylist()[0] == {
        "user id": "a",
        "labelled_at": datetime(1970, 1, 1, 0, 0, 0, 1),
        "seen_at": datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc),
        "price": Decimal("1.50"),
        "big": Decimal(2**64 - 1),
    }


def test_a_load_that_fails_leaves_no_table(warehouse):
    with pytest.raises(QueryError, match="quota"):
        warehouse.upload("x", pa.table({"n": [1]}))


def test_a_column_that_bigquery_has_no_type_for_is_named(warehouse):
    with pytest.raises(UsageError, match="the column 'tags' of the examples is list"):
        warehouse.upload("x", pa.table({"tags": [["a"]]}))


def test_rows_are_streamed_as_arrow(warehouse):
    table = warehouse.read("SELECT * FROM t").read_all()
    assert table.schema == pa.schema([("x", pa.int64()), ("at", pa.timestamp("us")), ("p", pa.decimal128(10, 2))])
    assert table.to_pylist() == [
        {"x": 1, "at": datetime(2024, 5, 17, 12, 0, 0, 1), "p": Decimal("1.50")},
        {"x": None, "at": None, "p": None},
    ]


def test_no_rows_have_columns_all_the_same(warehouse):
    assert warehouse.read("SELECT 1 AS x").read_all().schema == pa.schema([("x", pa.int64())])


def test_columns_of_several_datasets_come_at_once(warehouse):
    assert warehouse.columns(["`shop`.`features`.`orders`", "other.t", "missing"]) == {
        "`shop`.`features`.`orders`": (Column(name="id", type="int64"), Column(name="at", type="timestamptz")),
        "other.t": (Column(name="at", type="timestamp"),),
    }


def test_a_schema_is_a_dry_run(warehouse):
    assert warehouse.schema("SELECT 1 AS x") == (
        Column(name="x", type="int64"),
        Column(name="tags", type="list<string>"),
    )


def test_tables_are_written_in_one_step(warehouse):
    assert warehouse.write_table(TableWrite(relation="new"), ["CREATE TEMP TABLE s"], "SELECT 1 AS x") == 1
    assert warehouse.write_table(TableWrite(relation="new", mode="replace"), [], "SELECT 1 AS x") == 2
    again = TableWrite(relation="new", mode="append", partition=("day", "2024-05-17"))
    assert warehouse.write_table(again, [], "SELECT 1 AS x") == 3


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"BigQuery refused a statement(.|\n)*run dbt build"):
        warehouse.execute("SELECT * FROM nope")


def test_ctrl_c_cancels_the_job(warehouse, recording, monkeypatch):
    monkeypatch.setattr(Job, "result", lambda job: recording.run_until_cancelled())
    with pytest.raises(KeyboardInterrupt):
        warehouse.execute("SELECT 1")
    assert recording.cancelled >= 1


def test_a_dbt_target_names_project_and_dataset():
    assert dataset_of({"database": "shop", "schema": "features"}) == dataset_of(TARGET)
    with pytest.raises(UsageError, match="expected the BigQuery dataset"):
        dataset_of({"project": "shop"})
    with pytest.raises(UsageError, match="got 'magic'"):
        credentials_of({"method": "magic"}, base_dir=None)
    assert credentials_of(TARGET, base_dir=None) is None


def test_a_missing_client_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud", None)
    monkeypatch.setitem(sys.modules, "google", None)
    with pytest.raises(UsageError, match=r"featurestore\[bigquery\]"):
        open_warehouse(TARGET, base_dir=tmp_path)
