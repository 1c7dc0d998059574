"""A dbt project on Spark goes from its profile to a training set by the command line; the workers write it."""

from __future__ import annotations

import json
from contextlib import closing

import pyarrow.parquet as pq
import pytest
import yaml

from featurestore.warehouse.spark import open_warehouse
from tests.cli.tiny import ORDER_TYPES, Tiny, churn, labels, orders
from tests.manifest.manifests import columns
from tests.spark_here import MARKS, folder, settings

pytestmark = MARKS

ON_SPARK = {"database": None, "schema": "shop"}
CHURN = ("--service", "churn")
ROWS = {
    "orders": """
        (1, timestamp_ntz'2026-06-01 10:00', timestamp_ntz'2026-06-01 11:00', 1, 10.50, array('new')),
        (1, timestamp_ntz'2026-06-05 10:00', timestamp_ntz'2026-06-05 11:00', 2, 30.00, array()),
        (2, timestamp_ntz'2026-06-02 10:00', timestamp_ntz'2026-06-02 11:00', 1, 5.25, null)
        as t(customer_id, placed_at, loaded_at, order_count, amount, tags)""",
    "labels": """
        (1, timestamp_ntz'2026-06-04', true), (9, timestamp_ntz'2026-06-04', false)
        as t(customer_id, label_at, bought)""",
}
SEEN = [
    {"customer_id": 1, "bought": True, "order_count": 1, "amount": "10.50"},
    {"customer_id": 9, "bought": False, "order_count": None, "amount": None},
]


@pytest.fixture(scope="module")
def tables():
    """What dbt would have built."""
    with closing(open_warehouse(settings(), base_dir=folder())) as warehouse:
        warehouse.execute("create schema if not exists shop")
        for name, rows in ROWS.items():
            warehouse.execute(f"create table shop.{name} using parquet as select * from values {rows}")
        yield warehouse
        warehouse.execute("drop schema shop cascade")


@pytest.fixture
def project(tmp_path, tables):
    """A project of orders and labels whose target is Spark, applied."""
    target = {"type": "spark", **settings(schema="shop")}
    profiles = {"shop": {"target": "dev", "outputs": {"dev": target}}}
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: '1.0'\n")
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profiles))
    (tmp_path / "featurestore.yml").write_text("entities:\n  - {name: customer, join_keys: [customer_id]}\n")
    made = Tiny(folder=tmp_path)
    types = {**ORDER_TYPES, "placed_at": "timestamp_ntz", "loaded_at": "timestamp_ntz", "tags": "array<string>"}
    examples = labels() | ON_SPARK | {"relation_name": "shop.labels"}
    examples["columns"] = columns({"customer_id": "int", "label_at": "timestamp_ntz", "bought": "boolean"})
    made.write_manifest(
        orders(columns=columns(types), relation_name="shop.orders", **ON_SPARK),
        examples,
        churn(),
        metadata={"adapter_type": "spark"},
    )
    ran = made.run("apply")
    assert ran.code == 0, ran.err
    return made


def seen(rows):
    kept = ("customer_id", "bought", "order_count", "amount")
    named = [{name: row[name] for name in kept} for row in rows]
    made = [{**row, "amount": None if row["amount"] is None else str(row["amount"])} for row in named]
    return sorted(made, key=lambda row: row["customer_id"])


def test_a_training_set_is_a_folder_that_the_workers_wrote(project):
    ran = project.run(
        "training-set", "--spine", "ref('labels')", "--time", "label_at", *CHURN, "--output", "train.parquet"
    )
    assert (ran.code, ran.err) == (0, "")
    made = project.folder / "train.parquet"
    assert made.is_dir()
    assert (made / "_SUCCESS").is_file()
    assert seen(pq.read_table(made).to_pylist()) == SEEN
    card = json.loads((project.folder / "train.parquet.json").read_text())
    assert (card["rows"], card["dialect"], card["spine"]["label"]) == (2, "spark", "ref('labels')")


def test_a_training_set_is_a_table(project, tables):
    ran = project.run(
        "training-set", "--spine", "shop.labels", "--time", "label_at", *CHURN, "--into", "shop.train", "--json"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["card"]["rows"] == 2
    assert seen(tables.read("select * from shop.train").read_all().to_pylist()) == SEEN
    again = project.run("training-set", "--spine", "shop.labels", "--time", "label_at", *CHURN, "--into", "shop.train")
    assert again.code == 1
    assert "the table shop.train already exists\n  -> replace it, or append" in again.err
    asked = ("training-set", "--spine", "shop.labels", "--time", "label_at", *CHURN, "--into", "shop.daily", "--append")
    for day, limit in (("2026-06-04", "2"), ("2026-06-05", "2"), ("2026-06-05", "1")):
        ran = project.run(*asked, "--partition", f"day={day}", "--limit", limit)
        assert (ran.code, ran.err) == (0, f"Its card: .featurestore/training_sets/shop.daily.day={day}.json\n")
    counted = tables.read("select day, count(*) as n from shop.daily group by day order by day").read_all().to_pylist()
    assert counted == [{"day": "2026-06-04", "n": 2}, {"day": "2026-06-05", "n": 1}]


def test_examples_from_a_file_are_sent_to_spark_and_come_back_in_order(project):
    (project.folder / "examples.csv").write_text("customer_id,at\n2,2026-06-04\n1,2026-06-06\n1,2026-06-04\n")
    ran = project.run("training-set", "--spine", "examples.csv", "--time", "at", *CHURN, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [(row["customer_id"], row["order_count"]) for row in ran.json["rows"]] == [(2, 1), (1, 2), (1, 1)]


def test_a_table_that_is_missing_is_told(project):
    ran = project.run("training-set", "--spine", "select * from shop.nowhere", *CHURN)
    assert (ran.code, ran.out) == (2, "")
    assert "The table or view `shop`.`nowhere` cannot be found" in ran.err


def test_the_newest_rows_are_synced(project):
    ran = project.run("materialize")
    assert (ran.code, ran.err) == (0, ""), ran.err
    ran = project.run("get-online", *CHURN, "--entity", "customer_id=1", "--json")
    assert ran.code == 0, ran.err
    assert "2026-06-05T10:00:00Z" in ran.out, "the event time of the newest of the customer's rows"


def test_the_newest_rows_are_written_by_sparks_workers(project):
    ran = project.run("materialize", "--engine", "spark")
    assert (ran.code, ran.err) == (0, ""), ran.err
    assert "orders  full  2 read  2 written  0 skipped" in ran.out
    ran = project.run("get-online", *CHURN, "--entity", "customer_id=2", "--json")
    assert ran.code == 0, ran.err
    assert "2026-06-02T10:00:00Z" in ran.out
    again = project.run("materialize", "--engine", "spark", "--json")
    assert (again.code, again.json["views"][0]["mode"], again.json["views"][0]["rows_read"]) == (0, "incremental", 0)


def test_an_engine_that_is_not_there_is_told(project):
    ran = project.run("materialize", "--engine", "sprak")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "Error: no engine backend 'sprak' is installed\n  -> did you mean spark?\n"


def test_the_command_says_nothing_but_its_own(project):
    """Java's and Spark's own words stay out of both streams, in a process that starts it."""
    sql = "select cast(1 as int) as customer_id, timestamp_ntz'2026-06-04' as at"
    ran = project.run_apart("training-sql", "--spine", sql, "--time", "at", *CHURN)
    assert (ran.code, ran.err) == (0, "")
    assert "ASOF JOIN" in ran.out
    refused = project.run_apart("training-set", "--spine", sql, "--time", "at", *CHURN)
    assert refused.code == 1
    assert refused.out == ""
    said, hint = refused.err.splitlines()
    assert said.startswith("Error: Spark refused a statement: The table or view `shop`.`orders` cannot be found.")
    assert hint == "  -> run dbt build, if this is a table of dbt's"
