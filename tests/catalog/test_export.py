"""`export`: OpenLineage events as the specification wants them, a Feast repository that Feast reads, files once."""

from __future__ import annotations

import ast
import json
import subprocess
from dataclasses import replace
from datetime import datetime, timezone

import jsonschema
import pytest

from featurestore.catalog.export.feast import feast_repository
from featurestore.catalog.export.openlineage import Places, openlineage_events, warehouse_namespace
from featurestore.catalog.graph import whole_graph
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column, Feature
from featurestore.impact.column_inputs import column_inputs
from tests.catalog.scene import CHURN_SERVICE, GRAPH, HOSTILE, PROJECT, TIER
from tests.feast.world import feast_python
from tests.registry.shop import ORDERS

AT = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
_FACET = {
    "type": "object",
    "required": ["_producer", "_schemaURL"],
    "properties": {
        "_producer": {"type": "string", "pattern": r"^[a-z]+:"},
        "_schemaURL": {"pattern": r"^https://openlineage\.io/spec/facets/\d+-\d+-\d+/(\w+)\.json#/\$defs/\1$"},
    },
}


def facet(*required, **properties):
    return {"allOf": [_FACET, {"required": list(required), "properties": properties}]}


def objects(*required, **properties):
    return {"type": "array", "items": {"type": "object", "required": list(required), "properties": properties}}


_TEXT = {"type": "string", "minLength": 1}
_OWNERS = facet("owners", owners=objects("name", name=_TEXT))
_MADE = objects("type", type={"enum": ["DIRECT", "INDIRECT"]})
_INPUTS = objects("namespace", "name", "field", transformations=_MADE)
_FIELDS = {"additionalProperties": {"required": ["inputFields"], "properties": {"inputFields": _INPUTS}}}
_DATASET = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "namespace": _TEXT,
        "name": _TEXT,
        "facets": {
            "properties": {
                "schema": facet("fields", fields=objects("name", name=_TEXT, type=_TEXT)),
                "dataSource": facet(name=_TEXT, uri=_TEXT),
                "columnLineage": facet("fields", fields=_FIELDS),
                "documentation": facet("description", description=_TEXT),
                "ownership": _OWNERS,
            },
            "additionalProperties": False,
        },
    },
}
_JOB = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "facets": {
            "properties": {
                "documentation": facet("description", description=_TEXT),
                "ownership": _OWNERS,
                "jobType": facet("processingType", "integration", processingType={"enum": ["BATCH", "STREAMING"]}),
            },
            "additionalProperties": False,
        }
    },
}
_BASE = {
    "required": ["eventTime", "producer", "schemaURL"],
    "properties": {"eventTime": {"format": "date-time"}, "producer": {"pattern": r"^[a-z]+:"}},
}
SPEC = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "allOf": [_BASE],
    "oneOf": [
        {
            "required": ["job"],
            "properties": {
                "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent"},
                "job": _JOB,
                "inputs": {"type": "array", "items": _DATASET},
                "outputs": {"type": "array", "items": _DATASET},
            },
            "not": {"required": ["run"]},
        },
        {
            "required": ["dataset"],
            "properties": {
                "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent"},
                "dataset": _DATASET,
            },
            "not": {"required": ["job", "run"]},
        },
    ],
}
"""What the specification 2-0-2 says of these events and facets, written down in short."""


def events(project=PROJECT, graph=GRAPH):
    columns = column_inputs(graph, project)
    places = Places(producer="urn:featurestore:1", datasets="postgres://db:5432", jobs="shop", at=AT, columns=columns)
    return openlineage_events(whole_graph(graph, project), project, places)


def job(name):
    (found,) = [event for event in events() if event.get("job", {}).get("name") == name]
    return found


def test_events_are_as_the_specification_wants_them():
    checker = jsonschema.Draft202012Validator(SPEC)
    for event in json.loads(json.dumps(events())):
        assert [error.message for error in checker.iter_errors(event)] == []
    kinds = [event["schemaURL"].rpartition("/")[2] for event in events()]
    assert (kinds.count("DatasetEvent"), kinds.count("JobEvent")) == (2, 7)


def test_a_view_is_a_job_with_its_table_schema_and_columns():
    event = job("model.shop.orders")
    assert event["inputs"] == [{"namespace": "postgres://db:5432", "name": "shop.main.stg_orders"}]
    (made,) = event["outputs"]
    assert made["name"] == "shop.main.orders"
    fields = {each["name"]: each for each in made["facets"]["schema"]["fields"]}
    assert fields["order_count"] == {"name": "order_count", "type": "int32", "description": "Orders so far."}
    inputs = made["facets"]["columnLineage"]["fields"]
    source = {"namespace": "postgres://db:5432", "name": "shop.main.stg_orders"}
    assert inputs["amount_sum"] == {"inputFields": [{**source, "field": "amount"}]}
    assert made["facets"]["ownership"]["owners"] == [{"name": "Risk"}]
    assert event["job"]["facets"]["jobType"]["jobType"] == "FEATURE_VIEW"


def test_a_service_reads_views_column_by_column():
    event = job("exposure.shop.churn")
    assert [each["name"] for each in event["inputs"]] == ["shop.main.orders", "shop.main.tier_v2"]
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert [(name, its["inputFields"][0]["field"]) for name, its in fields.items()] == [
        ("order_count", "order_count"),
        ("tier", "tier"),
    ]


@pytest.mark.parametrize(
    ("sql", "inputs"),
    [
        ("with o as (select * from {{ ref('stg_orders') }}) select amount as amount_sum from o", ["amount"]),
        ("select sum(amount) over (partition by k) as amount_sum from {{ ref('stg_orders') }}", ["amount", "k"]),
        ("select 1 as amount_sum from {{ ref('stg_orders') }}", []),
        ("select * from {{ ref('stg_orders') }}", ["amount_sum"]),
        ("with a as (select *, x + 1 as amount_sum from {{ ref('stg_orders') }}) select * from a", ["x"]),
        ("select {{ dbt.datediff('a', 'b', 'day') }} as amount_sum from {{ ref('stg_orders') }}", []),
        ("not sql", []),
    ],
)
def test_what_a_column_is_made_of(sql, inputs):
    nodes = tuple(replace(node, sql=sql) if node.name == "orders" else node for node in GRAPH.nodes)
    found = column_inputs(replace(GRAPH, nodes=nodes), PROJECT)
    columns = found.get("model.shop.orders", {}).get("amount_sum", ())
    assert columns == tuple(("model.shop.stg_orders", name) for name in inputs)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake"])
def test_a_star_over_a_table_with_its_schema_is_followed_in_what_dbt_compiled(dialect):
    compiled = 'with o as (select * from "shop"."main"."stg_orders") select a + 1 as amount_sum from o'
    changes = {"sql": "select {{ some_macro() }}", "compiled": compiled}
    nodes = tuple(replace(node, **changes) if node.name == "orders" else node for node in GRAPH.nodes)
    found = column_inputs(replace(GRAPH, nodes=nodes), replace(PROJECT, dialect=dialect))
    assert [(node, name.lower()) for node, name in found["model.shop.orders"]["amount_sum"]] == [
        ("model.shop.stg_orders", "a")
    ]


@pytest.mark.parametrize(
    ("adapter", "values", "name"),
    [
        ("duckdb", {"path": "/secret/place/shop.duckdb"}, "duckdb://shop.duckdb"),
        ("postgres", {"host": "db", "user": "me", "password": "x"}, "postgres://db:5432"),
        ("postgres", {"host": "db", "port": 6000}, "postgres://db:6000"),
        ("snowflake", {"account": "org-name"}, "snowflake://org-name"),
        ("bigquery", {"project": "p"}, "bigquery"),
        ("trino", {"host": "t", "port": 8080}, "trino://t:8080"),
        ("databricks", {"host": "dbc.example", "port": 443}, "databricks://dbc.example"),
    ],
)
def test_a_warehouse_is_named_without_user_or_folder(adapter, values, name):
    assert warehouse_namespace(adapter, values) == name


WORSE = replace(
    PROJECT,
    views=(
        replace(ORDERS, delay_us=1, tie_breakers=(f"a\n{HOSTILE}",), tags=(HOSTILE,), owner="'''"),
        replace(
            TIER,
            features=(
                *TIER.features,
                Feature(name="class", type="list<int64>"),
                Feature(name="x", type="struct<a\nb>"),
            ),
        ),
        replace(ORDERS, name="no_entity", entities=(), join_keys=(), created_at=None, ttl_us=None),
        replace(ORDERS, name="Entity", join_keys=(Column(name="customer_id", type="int64"),), relation='"a\nb"."c"'),
    ),
    services=(
        CHURN_SERVICE,
        FeatureService(name="from", features=("orders[customer_id=id] as buyer:order_count", "orders")),
    ),
)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake", "bigquery", "redshift", "spark", "trino"])
def test_a_feast_repository_is_python_whatever_names_and_texts_are(dialect):
    files = feast_repository(replace(WORSE, dialect=dialect))
    tree = ast.parse(files["features.py"])
    made = [each.targets[0].id for each in tree.body if isinstance(each, ast.Assign)]
    assert len(made) == len(set(made)) == 1 + 4 + 2
    assert {type(each) for each in tree.body} == {ast.Expr, ast.ImportFrom, ast.Assign}
    assert "# Feast cannot say: a row is usable 1us after its event time" in files["features.py"]


def test_feast_reads_the_repository(tmp_path):
    for name, text in feast_repository(WORSE).items():
        (tmp_path / name).write_text(text)
    plan = [feast_python(), "-m", "feast.cli.cli", "plan", "--skip-source-validation"]
    done = subprocess.run(plan, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("entity customer", "feature view tier__v2", "feature view no_entity", "feature service churn"):
        assert f"Created {line}" in done.stdout


def test_the_command_prints_or_writes_and_overwrites_nothing(applied):
    lines = applied.run("export", "openlineage").lines
    assert [json.loads(line)["job"]["name"] for line in lines] == ["model.shop.orders", "exposure.shop.churn"]
    assert json.loads(lines[0])["outputs"][0]["namespace"] == "duckdb://shop.duckdb"
    assert applied.run("export", "openlineage", "--json").json == [json.loads(line) for line in lines]
    named = applied.run("export", "openlineage", "--dataset-namespace", "lake", "--job-namespace", "ci").lines
    assert json.loads(named[0])["job"]["namespace"] == "ci"
    assert set(applied.run("export", "json-schema").json) == {
        "churn.request.json",
        "churn.response.json",
        "orders.row.json",
    }
    assert "FileSource(" in applied.run("export", "feast").out
    for kind, path in (("openlineage", "out/events.jsonl"), ("json-schema", "out/schemas"), ("feast", "out/feast")):
        for _ in range(2):
            ran = applied.run("export", kind, "--output", path, "--json")
            assert ran.code == 0, ran.err
            assert all((applied.folder / name).is_file() for name in ran.json["files"])
    (applied.folder / "out/feast/features.py").write_text("mine")
    refused = applied.run("export", "feast", "--output", "out/feast")
    assert refused.code == 2
    assert (applied.folder / "out/feast/features.py").read_text() == "mine"
    assert applied.run("export", "feast", "--output", "out/feast", "--force").code == 0
