"""Tables of Postgres that a Feast repository reads, imported, built by dbt-postgres and read by us: none is touched."""

from __future__ import annotations

import os
import subprocess

import pyarrow.parquet as pq
import pytest
import yaml

from featurestore.cli import main
from featurestore.dbt_command import find_dbt
from tests.feast.test_import import TRIPS, imported
from tests.warehouse.postgres_server import PASSWORD

pytest.importorskip("dbt.adapters.postgres")
pytestmark = pytest.mark.slow
DATABASE = "from_feast"


def test_a_table_that_has_the_views_name_stays_and_its_rows_are_features(
    postgres_server, tmp_path, monkeypatch, capsys
):
    if not postgres_server.run(f"select 1 from pg_database where datname = '{DATABASE}'"):
        postgres_server.run(f"create database {DATABASE}")
    postgres_server.run(
        "drop schema if exists public cascade",
        "drop schema if exists public_feast cascade",
        "create schema public",
        'create table trips (driver_id bigint, at timestamptz, "Mi les" double precision)',
        "insert into trips values (1, '2026-06-01 10:00Z', 2.5), (1, '2026-06-02 10:00Z', 7.25)",
        database=DATABASE,
    )
    project = tmp_path / "project"
    project.mkdir()
    settings = postgres_server.settings(dbname=DATABASE, schema="public", password="{{ env_var('PG_SECRET') }}")
    profile = {"target": "dev", "outputs": {"dev": {"type": "postgres", "threads": 1, **settings}}}
    (project / "profiles.yml").write_text(yaml.safe_dump({"mine": profile}))
    (project / "dbt_project.yml").write_text("name: mine\nprofile: mine\nversion: '1.0'\n")
    monkeypatch.setenv("PG_SECRET", PASSWORD)
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    mapping = {"field_mapping": {"Mi les": "miles"}, "timestamp_field": "at"}
    table = {"kind": "PostgreSQLSource", "name": "by table", "table": "Trips", **mapping}
    query = {
        **table,
        "name": "by query",
        "table": "",
        "query": "select *, '{{ x }}' as braces from public.trips -- all",
    }
    views = [{**TRIPS, "source": table}, {**TRIPS, "name": "asked", "source": query}]
    imported(tmp_path, {"views": views}, settings="project: shop\noffline_store: {type: postgres}\n")
    monkeypatch.chdir(project)
    built = subprocess.run([find_dbt(os.environ), "build"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout
    assert main(["apply"]) == 0
    spine = "select 1::bigint as driver_id, timestamptz '2026-06-01 12:00Z' as event_timestamp"
    features = "trips:miles,asked[driver_id=driver_id] as again:miles"
    asked = ["--spine", spine, "--features", features, "--full-feature-names", "--output", "train.parquet"]
    assert main(["training-set", *asked]) == 0, capsys.readouterr().err
    (row,) = pq.read_table("train.parquet").to_pylist()
    assert (row["trips__miles"], row["again__miles"]) == (2.5, 2.5)
    kinds = "select table_schema, table_type from information_schema.tables where table_name = 'trips' order by 1"
    assert postgres_server.run(kinds, database=DATABASE) == [("public", "BASE TABLE"), ("public_feast", "VIEW")]
    assert postgres_server.run("select count(*) from public.trips", database=DATABASE) == [(2,)]
