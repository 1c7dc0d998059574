"""Names and texts that mean something to SQL, Jinja, YAML or Markdown stay what they are, and dbt builds them."""

from __future__ import annotations

import json
import os
import subprocess

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from featurestore.dbt_command import find_dbt
from featurestore.manifest.artifacts import load_manifest
from featurestore.scaffold.feast.escape import identifier, in_jinja, markdown, yaml_bytes
from featurestore.scaffold.feast.files_of_feast import duckdb_location
from featurestore.scaffold.feast.objects import FeastSource
from featurestore.scaffold.feast.tables import TableName, table_name, tables_of_query
from tests.feast.test_import import DRIVER, TRIPS, hints, imported, model_sql, model_yaml, services_yaml

JINJA = "{{ var('nope') }}{% if %}{# x"
COLUMNS = ['q"uote', "it's", JINJA, "*/", "--", "- yaml: #x", "ünï", "back`tick", "back\\slash", "{0}", "semi;colon"]
NAMES = [name.replace(" ", "_").replace(":", ";") for name in COLUMNS]
"""Without what no feature may have; a field mapping goes from one to the other."""


@pytest.mark.slow
def test_hostile_names_and_texts_survive_dbt(tmp_path):
    odd = tmp_path / "it's {odd} [1]*{{ x }}"
    (odd / "repo/data").mkdir(parents=True)
    table = {"driver_id": pa.array([7]), "at": pa.array([1_000_000], pa.timestamp("us", "UTC"))}
    table |= {name: pa.array([float(position)]) for position, name in enumerate(COLUMNS)}
    pq.write_table(pa.table(table), odd / "repo/data/it's {a}*.parquet")
    source = {
        "kind": "FileSource",
        "name": "a: '\"{{ x }}\n",
        "path": "data/it's {a}*.parquet",
        "timestamp_field": "at",
        "description": JINJA,
        "field_mapping": {name: mapped for name, mapped in zip(COLUMNS, NAMES, strict=True) if name != mapped},
    }
    view = {
        **TRIPS,
        "source": source,
        "features": [{"name": name, "type": "DOUBLE", "description": JINJA, "tags": {JINJA: "'\""}} for name in NAMES],
        "description": f"{JINJA}\n*/ '\" : - # \t",
        "owner": JINJA,
        "tags": {JINJA: "x"},
    }
    service = {"name": "s", "uses": [{"view": "trips"}], "description": JINJA, "owner": f"{JINJA}@x"}
    entity = {**DRIVER, "description": JINJA}
    done = imported(odd, {"views": [view], "services": [service], "entities": [entity]})
    project = odd / "project"
    ran = subprocess.run(
        [find_dbt(os.environ), "build", "--project-dir", project, "--profiles-dir", project],
        cwd=project,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    manifest = load_manifest(project / "target")
    node = manifest.nodes["model.shop.trips"]
    assert node["description"] == view["description"].strip() or node["description"] == view["description"]
    assert node["config"]["meta"]["feature_view"]["owner"] == JINJA
    assert list(node["columns"]) == ["driver_id", "at", *NAMES]
    assert node["columns"][NAMES[0]]["description"] == JINJA
    (exposure,) = manifest.exposures.values()
    assert (exposure["description"], exposure["owner"]["name"]) == (JINJA, f"{JINJA}@x")
    import duckdb

    with duckdb.connect(project / "shop.duckdb") as connection:
        rows = connection.execute("select * from trips").fetchall()
        assert [column[0] for column in connection.description] == ["driver_id", "at", *NAMES]
    assert rows[0][0] == 7
    assert list(rows[0][2:]) == [float(position) for position in range(len(COLUMNS))]
    assert "\n" not in next(line for line in hints(done, name="files"))
    for line in (project / "feast_import.md").read_text().splitlines():
        assert line.startswith(("#", "- ", "|", "Read ", "Next: ")) or not line, line


def test_a_path_keeps_its_quotes_braces_and_stars(tmp_path):
    source = FeastSource(kind="FileSource", path="s3://b/it's {a}/{{ x }}.parquet")
    location = duckdb_location(source, tmp_path)
    assert "{{ x }}" not in location
    assert location.count("''") == 1


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("raw.trips", TableName(schema="raw", name="trips")),
        ('raw."Trips"', TableName(schema="raw", name="Trips")),
        ("trips; drop table users", TableName(name="trips; drop table users")),
        ("trips t", TableName(name="trips t")),
        ("(select 1)", TableName(name="(select 1)")),
        ("a.b.c.d", TableName(name="a.b.c.d")),
        ("generate_series(1, 2)", TableName(name="generate_series(1, 2)")),
    ],
)
def test_a_tables_text_is_a_name_and_nothing_else(table, name):
    assert table_name(FeastSource(kind="PostgreSQLSource", table=table), "postgres") == name


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("select * from a.b join c using (x)", {"b", "c"}),
        ("with t as (select 1 as x) select * from t", {"t"}),
        ("select 1; drop table x", None),
        ("drop table x", None),
        ("select * from x) select 1 --", None),
        ("not sql at all (", None),
        ("delete from x", None),
    ],
)
def test_a_query_is_one_select_or_it_is_not_taken(query, reads):
    found = tables_of_query(query, "postgres")
    assert found == (None if reads is None else frozenset(reads))


def test_a_table_with_quotes_in_its_name_is_quoted_in_the_model_and_a_query_keeps_its_braces(tmp_path):
    sources = {
        "trips": {"table": 'x" ; drop table users; {{ 1 }}'},
        "asked": {"query": "select '{{ x }}' as y, '{% z' from t;"},
        "refused": {"query": "select 1; drop table x"},
    }
    views = [
        {**TRIPS, "name": name, "source": {"kind": "PostgreSQLSource", "name": name, "timestamp_field": "at", **source}}
        for name, source in sources.items()
    ]
    done = imported(tmp_path, {"views": views}, settings="project: shop\noffline_store: {type: postgres}\n")
    assert 'from "x"" ; drop table users; {{ "{" }}{ 1 }}"\n' in model_sql(tmp_path)
    assert """select '{{ "{" }}{ x }}' as y, '{{ "{" }}% z' from t\n)""" in model_sql(tmp_path, "asked")
    assert "drop" not in model_sql(tmp_path, "refused")
    assert model_yaml(tmp_path, "refused")["config"]["enabled"] is False
    assert any("its query is not one SELECT" in hint for hint in hints(done, name="refused"))


def test_no_html_of_other_people_is_html_in_the_report():
    assert markdown("a ` <script>") == "a ' \\<script\\>"
    assert markdown("`<b>` <b>") == "`<b>` \\<b\\>"


def test_a_report_has_one_line_for_each_thing_whatever_its_name(tmp_path):
    evil = "x\n## `heading` | <script>alert(1)</script>"
    done = imported(
        tmp_path,
        {
            "services": [{"name": evil, "uses": []}],
            "permissions": [
                {"name": evil, "types": ["FeatureView"], "actions": ["READ_ONLINE"], "policy": "RoleBasedPolicy"}
            ],
            "on_demand_views": [{"name": evil, "features": [{"name": evil, "type": "INT64"}]}],
        },
    )
    lines = (tmp_path / "project/feast_import.md").read_text().splitlines()
    assert sum(line.startswith("- ") for line in lines) == len(done.notes)
    assert not any(line.startswith("## `") for line in lines)
    assert not services_exist(tmp_path)


def services_exist(folder):
    return (folder / "project/models/feast/feast.services.yml").exists() and bool(services_yaml(folder))


def test_yaml_of_hostile_values_reads_back(tmp_path):
    texts = [
        "yes",
        "null",
        "1e3",
        "0x1f",
        "2026-01-01",
        "~",
        "&a",
        "*a",
        "!!python/object:os.system",
        "|",
        "> x",
        "a: b",
        "# c",
    ]
    view = {**TRIPS, "features": [{"name": "miles", "description": text} for text in texts[:1]], "owner": texts[8]}
    for text in texts:
        folder = tmp_path / str(texts.index(text))
        imported(folder, {"views": [{**view, "description": text, "tags": {text: ""}}]})
        model = model_yaml(folder)
        assert (model["description"], model["config"]["tags"]) == (text, [text])
        assert yaml.safe_load(json.dumps(model)) == model


@given(st.text(alphabet="{}%#-+ \n'\"ab`\\*/;|", max_size=24))
def test_any_text_is_rendered_to_itself(text):
    def rendered(template):
        return jinja2.Template(template, keep_trailing_newline=True).render()

    assert rendered(in_jinja(text)) == text
    assert yaml.safe_load(yaml_bytes({"k": text})) == {"k": text}
    assert "\n" not in markdown(text)
    assert markdown(f"{text}<b>").count("`") % 2 == 0, "no code is left open"
    if text.strip() and "\\" not in text:
        quoted = rendered(identifier(text, "postgres"))
        assert quoted == '"' + text.replace('"', '""') + '"'
