"""Where a log goes: every type in a table of DuckDB and Postgres, and objects in a bucket."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import boto3
import duckdb
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.feature_log import is_json_text, log_type
from featurestore.definitions.services import FeatureLogging, FeatureService
from featurestore.definitions.views import Column, Feature
from featurestore.operations.values import exact, warehouse_values
from featurestore.server.log.destination import Bucket, WarehouseTable
from featurestore.server.log.feature_log import FeatureLog
from featurestore.server.log.load import load_segments
from featurestore.storage.object_store import ObjectPlace
from featurestore.warehouse.postgres import open_warehouse as open_postgres_warehouse
from tests.moto_server import CREDENTIALS, start_moto
from tests.registry.shop import ORDERS, VISITS
from tests.server.conftest import TYPES
from tests.server.log.served import NOON_US, body_of, column, shop
from tests.server.log.test_load import around, open_duckdb, serve


@pytest.fixture(scope="module")
def server():
    """One server of buckets for the tests of this file."""
    moto = start_moto()
    yield moto
    moto.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """The name of an empty bucket, and the environment that leads there."""
    server.reset()
    settings = {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.endpoint}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1").create_bucket(Bucket="lake")
    return "lake"


EVERYTHING = replace(
    ORDERS, name="everything", features=tuple(Feature(name=name, type=kind) for name, (kind, _) in TYPES.items())
)


def all_types():
    """A shop whose logged service has a feature of every type."""
    service = FeatureService(name="churn", features=("everything",), logging=FeatureLogging())
    return replace(shop(), views=(EVERYTHING,), services=(service,))


def warehouse_of(request, kind, folder):
    if kind == "duckdb":
        duckdb.connect(str(folder / "w.duckdb")).close()
        return lambda: open_duckdb(folder), "main"
    server = request.getfixturevalue("postgres_server")
    if not server.run("select 1 from pg_database where datname = 'log_types'"):
        server.run("create database log_types")
    server.run("drop schema if exists types cascade", "create schema types", database="log_types")
    settings = server.settings(dbname="log_types", schema="types")
    return lambda: open_postgres_warehouse(settings, base_dir=folder, read_only=False), "types"


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_every_type_comes_to_the_warehouse_and_back(request, kind, tmp_path):
    """P13; the second load appends to the columns that the first one made."""
    opens, schema = warehouse_of(request, kind, tmp_path)
    project = all_types()
    for customer in (1, 2):
        log = FeatureLog(tmp_path / "spool")
        log.define(project)
        body = body_of(
            [column("customer_id", "int64", [customer, 9])],
            [column(name, its, [value, None]) for name, (its, value) in TYPES.items()],
        )
        log.note(
            "churn", request_id="r", served_us=NOON_US, registry_version=1, columns={"customer_id": [customer, 9]},
            body=body,
        )  # fmt: skip
        log.close()
        there = around(tmp_path, project=project, to=WarehouseTable(open_warehouse=opens, schema=schema))
        (loaded,) = load_segments(there)
        assert (loaded.problem, loaded.rows, loaded.unread_values) == ("", 2, 0)
    with closing(opens()) as warehouse:
        names = ", ".join(f'"{name}"' for name in TYPES)
        table = warehouse.read(f"SELECT {names} FROM {schema}.churn__log ORDER BY row_id").read_all()
    for name, (its, value) in TYPES.items():
        found = warehouse_values(table.column(name).combine_chunks(), log_type(its))
        if is_json_text(its):
            found = [each if each is None else json.loads(each) for each in found]
        if its == "int128":
            found = [each if each is None else int(each) for each in found]
        assert exact(found) == exact([value, None, value, None]), name


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_text_with_a_nul_character_is_null_where_the_warehouse_cannot_hold_it(request, kind, tmp_path):
    """A client can send such a key, and Postgres refuses it with all rows that come along."""
    opens, schema = warehouse_of(request, kind, tmp_path)
    named = replace(
        ORDERS,
        join_keys=(Column(name="customer_id", type="string"),),
        features=(Feature(name="tags", type="list<string>"),),
    )
    service = FeatureService(name="churn", features=("orders",), logging=FeatureLogging())
    project = replace(shop(), views=(named,), services=(service,))
    log = FeatureLog(tmp_path / "spool")
    log.define(project)
    keys, tags = ["a\0b", "c"], [["x", "\0"], None]
    body = body_of([column("customer_id", "string", keys)], [column("tags", "list<string>", tags)])
    log.note(
        "churn", request_id="r", served_us=NOON_US, registry_version=1, columns={"customer_id": keys}, body=body
    )  # fmt: skip
    log.close()
    there = around(tmp_path, project=project, to=WarehouseTable(open_warehouse=opens, schema=schema))
    (loaded,) = load_segments(there)
    holds = kind == "duckdb"
    assert (loaded.problem, loaded.rows, loaded.unread_values) == ("", 2, 0 if holds else 2)
    with closing(opens()) as warehouse:
        table = warehouse.read(f"SELECT customer_id, tags FROM {schema}.churn__log ORDER BY row_id").read_all()
    assert table.column("customer_id").to_pylist() == (keys if holds else [None, "c"])
    assert table.column("tags").to_pylist() == (tags if holds else [["x", None], None])


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_rows_that_were_refused_keep_no_others_from_the_same_connection(request, kind, tmp_path):
    opens, schema = warehouse_of(request, kind, tmp_path)
    texts = replace(ORDERS, features=(Feature(name="order_count", type="string"),))
    there = around(
        tmp_path,
        to=WarehouseTable(open_warehouse=opens, schema=schema),
        versions={2: replace(shop(), views=(texts, VISITS))},
    )
    serve(tmp_path, 1)
    load_segments(there)
    serve(tmp_path, 1, first=1, version=2, counts=["zz"])
    serve(tmp_path, 1, first=2)
    (loaded,) = load_segments(there)
    assert (loaded.rows, loaded.waiting) == (1, 1)
    assert loaded.problem


def test_a_bucket_gets_an_object_per_day(tmp_path, bucket):
    project = shop(to=f"s3://{bucket}/served")
    serve(tmp_path, 2, project=project)
    there = around(tmp_path, project=project, to=Bucket(uri=f"s3://{bucket}/served"))
    (loaded,) = load_segments(there)
    assert (loaded.problem, loaded.rows, loaded.waiting) == ("", 2, 0)
    place = ObjectPlace(scheme="s3", bucket=bucket, key="served/churn/date=2026-09-21")
    (name,) = place.files()
    with closing(place.open(name)) as stream, pq.ParquetFile(stream) as file:
        assert file.read().column("customer_id").to_pylist() == [0, 1]


def test_a_bucket_that_is_not_there_makes_the_rows_wait(tmp_path, bucket):
    serve(tmp_path, 1)
    there = around(tmp_path, to=Bucket(uri="s3://no-such-bucket/served"))
    (waiting,) = load_segments(there)
    assert (waiting.rows, waiting.waiting) == (0, 1)
    assert "no bucket 'no-such-bucket'" in waiting.problem
