"""From what was read of a Feast repository to a dbt project; no Feast is needed here."""

from __future__ import annotations

import ast
import json
import re

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import yaml

from featurestore.definitions.references import parse_reference
from featurestore.errors import OperationError, UsageError
from featurestore.manifest.dialects import DIALECTS
from featurestore.scaffold.feast.child import READER
from featurestore.scaffold.feast.online import online_store
from featurestore.scaffold.feast.run import write_import
from featurestore.scaffold.feast.settings import find_repository, read_settings
from tests.feast.templates import RECORDINGS, recorded_in
from tests.test_import_contracts import PACKAGE, held, held_by, parsed_once

DRIVER = {"name": "driver", "join_key": "driver_id", "type": "INT64"}
FILE = {"kind": "FileSource", "name": "trips", "path": "data/trips.parquet", "timestamp_field": "at"}
TRIPS = {
    "kind": "feature view",
    "name": "trips",
    "entities": ["driver"],
    "features": [{"name": "miles", "type": "DOUBLE"}],
    "source": FILE,
}


def repository(folder, settings="project: shop\n"):
    """A repository's folder with its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(settings)
    return read_settings(find_repository(folder))


def imported(folder, told=None, *, settings="project: shop\n", output="project"):
    """What an import of these objects did, into a dbt project in the folder."""
    answer = json.dumps({"format": 1, "entities": [DRIVER], "views": [TRIPS], **(told or {})}).encode()
    return write_import(answer, repository(folder / "repo", settings), folder / output, environ={})


def model_yaml(folder, name="trips"):
    (model,) = yaml.safe_load((folder / "project/models/feast" / f"{name}.yml").read_text())["models"]
    return model


def model_sql(folder, name="trips"):
    return (folder / "project/models/feast" / f"{name}.sql").read_text()


def services_yaml(folder):
    return yaml.safe_load((folder / "project/models/feast/feast.services.yml").read_text())["exposures"]


def hints(done, *, name=None):
    """What an import said has no equal."""
    return [f"{note.what} -> {note.hint}" for note in done.notes if name is None or note.name == name]


@pytest.mark.parametrize("name", RECORDINGS)
def test_each_template_of_feast_becomes_files_that_can_be_read(name, tmp_path):
    answer, settings = recorded_in(name, tmp_path / "repo")
    done = write_import(answer, settings, tmp_path / "project", environ={})
    told = json.loads(answer)
    assert {made.name for made in done.made if "view" in made.kind} == {view["name"] for view in told["views"]}
    for path in (tmp_path / "project").rglob("*.yml"):
        assert yaml.safe_load(path.read_text()) is not None or path.name == "featurestore.yml", path
    for path in (tmp_path / "project").rglob("*.sql"):
        assert isinstance(parsed(path.read_text(), done.adapter), sqlglot.exp.Select), path
    views = {view["name"] for view in told["views"]}
    for service in services_yaml(tmp_path) if told["services"] else []:
        block = service["config"]["meta"]["feature_service"]
        assert {parse_reference(text).view for text in block["features"]} <= views
    noted = {note.name for note in done.notes}
    assert {view["name"] for view in told["on_demand_views"]} <= noted
    again = write_import(answer, settings, tmp_path / "project", environ={})
    assert not again.is_changed
    assert (again.made, again.notes) == (done.made, done.notes)


def parsed(text, adapter):
    """A model's SQL, with a table's name where dbt would put one."""
    rendered = jinja2.Template(text).render(source=lambda _, name: name, env_var=lambda _, usual="": usual)
    return sqlglot.parse_one(rendered, dialect=DIALECTS[adapter])


def test_a_view_of_feasts_local_template_as_it_is_here(tmp_path):
    answer, settings = recorded_in("local", tmp_path / "repo")
    done = write_import(answer, settings, tmp_path / "project", environ={})
    assert done.adapter == "duckdb"
    model = model_yaml(tmp_path, "driver_hourly_stats")
    assert model["config"] == {
        "materialized": "view",
        "tags": ["team:driver_performance"],
        "meta": {
            "feature_view": {
                "entities": ["driver"],
                "event_time": "event_timestamp",
                "created_at": "created",
                "ttl": "1d",
                "online": True,
            }
        },
    }
    types = {column["name"]: column.get("data_type") for column in model["columns"]}
    assert types["conv_rate"] == "real"
    assert types["avg_daily_trips"] == "bigint"
    assert types["driver_metadata"] is None, "the warehouse knows what a map is there"
    service = next(each for each in services_yaml(tmp_path) if each["name"] == "driver_activity_v1")
    assert service["config"]["meta"]["feature_service"] == {
        "features": ["driver_hourly_stats:conv_rate"],
        "request_columns": [
            {"name": "val_to_add", "data_type": "bigint"},
            {"name": "val_to_add_2", "data_type": "bigint"},
        ],
        "logging": {"sample": 1, "to": "logging_path"},
    }
    assert "featurestore push driver_quality_labels" in " ".join(hints(done, name="driver_quality_labels"))
    report = (tmp_path / "project/feast_import.md").read_text()
    assert "| label view | `driver_quality_labels` | model and feature view |" in report
    assert "- on-demand feature view `transformed_conv_rate`: nothing is computed at the time of a request" in report


@pytest.mark.parametrize(
    ("name", "adapter", "source", "selected"),
    [
        (
            "snowflake",
            "snowflake",
            {"name": "feast_public", "database": "SNOWFLAKE_DATABASE", "schema": "PUBLIC"},
            '"conv_rate"',
        ),
        ("gcp", "bigquery", {"name": "feast_demo_data", "database": "feast-oss", "schema": "demo_data"}, "`conv_rate`"),
        (
            "aws",
            "redshift",
            {"name": "feast_public", "database": "redshift_database", "schema": "public"},
            '"conv_rate"',
        ),
    ],
)
def test_a_table_is_a_source_of_the_dbt_project(name, adapter, source, selected, tmp_path):
    answer, settings = recorded_in(name, tmp_path / "repo")
    assert write_import(answer, settings, tmp_path / "project", environ={}).adapter == adapter
    (found,) = yaml.safe_load((tmp_path / "project/models/feast/feast.sources.yml").read_text())["sources"]
    assert {key: found[key] for key in source} == source
    assert selected in model_sql(tmp_path, "driver_hourly_stats")


def test_a_query_is_the_models_own_and_files_of_spark_are_read_by_their_path(tmp_path):
    for name in ("postgres", "spark"):
        answer, settings = recorded_in(name, tmp_path / name / "repo")
        write_import(answer, settings, tmp_path / name / "project", environ={})
    assert "SELECT * FROM feast_driver_hourly_stats" in model_sql(tmp_path / "postgres", "driver_hourly_stats")
    assert f"from parquet.`{{{{ env_var('FEAST_REPO', \"{tmp_path}/spark/repo\") }}}}/data/" in model_sql(
        tmp_path / "spark", "driver_hourly_stats"
    )


def test_a_field_mapping_is_an_alias(tmp_path):
    source = {
        **FILE,
        "field_mapping": {"m": "miles", "ts": "at", "d": "driver_id"},
        "created_timestamp_column": "loaded",
    }
    imported(tmp_path, {"views": [{**TRIPS, "source": source}]})
    lines = [line.strip() for line in model_sql(tmp_path).splitlines()]
    assert lines[2:6] == [
        '"d" as "driver_id",  -- join key',
        '"ts" as "at",  -- event time',
        '"loaded",  -- created time',
        '"m" as "miles"',
    ]
    assert model_yaml(tmp_path)["config"]["meta"]["feature_view"]["event_time"] == "at"
    assert model_yaml(tmp_path)["columns"][0] == {"name": "driver_id", "data_type": "bigint"}


def test_times_in_nanoseconds_are_cast_and_a_view_without_schema_lists_the_files_columns(tmp_path):
    (tmp_path / "repo/data").mkdir(parents=True)
    columns = {
        "driver_id": pa.array([1]),
        "at": pa.array([1], pa.timestamp("ns", "UTC")),
        "loaded": pa.array([1], pa.timestamp("ns")),
        "miles": pa.array([1.5]),
    }
    pq.write_table(pa.table(columns), tmp_path / "repo/data/trips.parquet")
    source = {**FILE, "created_timestamp_column": "loaded"}
    done = imported(tmp_path, {"views": [{**TRIPS, "features": [], "source": source}]})
    assert 'cast("at" as timestamptz) as "at",  -- event time' in model_sql(tmp_path)
    assert 'cast("loaded" as timestamp) as "loaded",  -- created time' in model_sql(tmp_path)
    assert '    "miles"\n' in model_sql(tmp_path)
    assert any(hint.startswith("it has no schema, so all other columns of its file") for hint in hints(done))


def test_a_view_without_schema_takes_what_the_table_has(tmp_path):
    source = {"kind": "PostgreSQLSource", "name": "t", "table": "raw.Trips", "timestamp_field": "at"}
    imported(
        tmp_path,
        {"views": [{**TRIPS, "features": [], "source": source}]},
        settings="project: shop\noffline_store: {type: postgres}\n",
    )
    assert "select\n    *\nfrom" in model_sql(tmp_path)
    (block,) = yaml.safe_load((tmp_path / "project/models/feast/feast.sources.yml").read_text())["sources"]
    assert (block["schema"], block["tables"][0]["identifier"]) == ("raw", "trips"), "as Postgres folds names"


def test_a_model_is_never_built_over_the_table_that_it_reads(tmp_path):
    """Dbt would drop the table to make the view."""
    source = {"kind": "PostgreSQLSource", "name": "t", "table": "Trips", "timestamp_field": "at"}
    by_query = {"kind": "PostgreSQLSource", "name": "q", "query": "select * from raw.visits", "timestamp_field": "at"}
    visits = {**TRIPS, "name": "visits", "source": by_query}
    done = imported(
        tmp_path,
        {"views": [{**TRIPS, "source": source}, visits]},
        settings="project: shop\noffline_store: {type: postgres, db_schema: features}\n",
    )
    assert model_yaml(tmp_path)["config"]["schema"] == "feast"
    assert model_yaml(tmp_path, "visits")["config"]["schema"] == "feast"
    assert any("a table that is read has the name of the view" in hint for hint in hints(done, name="trips"))


def test_a_view_whose_rows_nobody_can_select_is_disabled_and_left_out_of_services(tmp_path):
    told = {
        "views": [
            {**TRIPS, "source": None},
            {**TRIPS, "name": "made", "kind": "batch feature view", "is_transformed": True, "mode": "python"},
            {**TRIPS, "name": "mssql", "source": {"kind": "MsSqlServerSource", "name": "m", "timestamp_field": "at"}},
            {**TRIPS, "name": "timeless", "source": {**FILE, "timestamp_field": ""}},
            {**TRIPS, "name": "good"},
        ],
        "services": [
            {"name": "some", "uses": [{"view": "trips"}, {"view": "good", "features": ["miles"]}, {"view": "gone"}]},
            {"name": "none", "uses": [{"view": "made"}]},
        ],
    }
    done = imported(tmp_path, told)
    disabled = [name for name in ("trips", "made", "mssql", "timeless", "good") if not is_enabled(tmp_path, name)]
    assert disabled == ["trips", "made", "mssql", "timeless"]
    (service,) = services_yaml(tmp_path)
    assert service["config"]["meta"]["feature_service"]["features"] == ["good"]
    assert service["owner"] == {"name": "shop"}
    assert any("`trips` is left out of it: the view is disabled" in hint for hint in hints(done, name="some"))
    assert any("`gone` is left out of it: the view is not written" in hint for hint in hints(done, name="some"))
    assert any(hint.startswith("it is not written: none of its features") for hint in hints(done, name="none"))


def is_enabled(folder, name):
    return model_yaml(folder, name)["config"].get("enabled", True)


def test_projections_become_references(tmp_path):
    uses = [
        {"view": "trips", "alias": "partner", "join_keys": {"driver_id": "partner_id"}, "features": ["miles"]},
        {"view": "trips", "features": ["miles", "nope"]},
        {"view": "trips", "alias": "a b"},
        {"view": "trips", "version": 2},
    ]
    service = {
        "name": "pairs",
        "uses": uses,
        "references": ["trips@v3:miles"],
        "owner": "ml@example.com",
        "tags": {"team": "x", "on": ""},
    }
    done = imported(tmp_path, {"services": [service]})
    (made,) = services_yaml(tmp_path)
    features = made["config"]["meta"]["feature_service"]["features"]
    assert features == ["trips[driver_id=partner_id] as partner", "trips:miles", "trips"]
    assert made["owner"] == {"name": "ml@example.com", "email": "ml@example.com"}
    assert made["config"]["tags"] == ["team:x", "on"]
    assert made["depends_on"] == ["ref('trips')"]
    said = hints(done, name="pairs")
    assert any("its pin of `trips` to version 2 is left out" in hint for hint in said)
    assert any("its pin of `trips` to version 3 is left out" in hint for hint in said)
    assert any("`trips:nope` is left out: the model has no such feature" in hint for hint in said)
    assert any("`trips as a b` is left out" in hint for hint in said)


@pytest.mark.parametrize(
    ("of_view", "said"),
    [
        ({"is_aggregated": True}, "its aggregations are not made here"),
        ({"derived_from": ["raw"]}, "it is derived from `raw`"),
        ({"is_validated": True}, "its schema validation (enable_validation) is dbt's business"),
        ({"version": "v2"}, "its pin to version `v2` is left out"),
        ({"ttl_us": -1}, "its ttl is below zero, and left out"),
        ({"ttl_us": 10**20}, "its ttl of more than 1000 years is none here"),
        ({"enabled": False}, "its model is disabled: the view is not enabled in Feast"),
        ({"entities": ["gone"]}, "its entity `gone` is not declared here, so it is called as its join key, `gone`"),
        ({"features": [{"name": "miles", "type": "JSON"}]}, "JSON in `miles` is served as the table has it"),
        ({"features": [{"name": "miles", "vector": True}]}, "its vector index on `miles` has no equal"),
        (
            {"features": [{"name": "a:b"}, {"name": "miles"}]},
            "its feature `a:b` is left out: the name contains a space",
        ),
        ({"features": [{"name": "at"}, {"name": "miles"}]}, "its feature `at` is its event time too"),
        ({"source": {**FILE, "timestamp_field_type": "DATE"}}, "its event time is a DATE"),
        (
            {"stream": {"kind": "KafkaSource", "name": "k", "topic": "t", "servers": "b:9092"}},
            "`kafka://b:9092`, topic `t`",
        ),
        ({"stream": {"kind": "KinesisSource", "name": "k", "stream_name": "s"}}, "topic `s`"),
    ],
)
def test_what_a_view_says_that_has_no_equal_is_said(of_view, said, tmp_path):
    done = imported(tmp_path, {"views": [{**TRIPS, **of_view}]})
    assert any(said in hint for hint in hints(done, name="trips")), hints(done)


def test_names_that_dbt_cannot_have_are_left_out_with_what_to_do(tmp_path):
    names = ["__hidden", "a:b", "../up", "a b", "x" * 64, "Trips", 'q"uote']
    told = {
        "views": [TRIPS, *({**TRIPS, "name": name} for name in names)],
        "services": [{"name": "s/x", "uses": [{"view": "trips"}]}],
        "entities": [DRIVER, {"name": "e e", "join_key": "e"}, {"name": "e2", "join_key": "__e"}],
    }
    done = imported(tmp_path, told)
    written = sorted(path.name for path in (tmp_path / "project/models/feast").iterdir())
    assert written == ["feast.sources.yml", "trips.sql", "trips.yml"]
    for name in (*names, "s/x", "e e"):
        (hint,) = [hint for hint in hints(done, name=name) if hint.startswith("it is not written: ")]
        assert "rename it in Feast" in hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "repo"]


@pytest.mark.parametrize(
    ("keys", "uri", "said"),
    [
        ("{type: redis, connection_string: 'cache:6379'}", "redis://cache:6379", ()),
        (
            "{type: redis, connection_string: 'cache:6380,db=2,ssl=true,username=fs,password=hunter2'}",
            "rediss://fs:{{ env_var('REDIS_PASSWORD') }}@cache:6380/2",
            ("read from REDIS_PASSWORD",),
        ),
        (
            "{type: redis, redis_type: redis_cluster, connection_string: 'a:1,b:2,password=${CACHE_PW}'}",
            "redis+cluster://:{{ env_var('CACHE_PW') }}@a:1,b:2",
            ("read from CACHE_PW",),
        ),
        (
            "{type: redis, redis_type: redis_sentinel, sentinel_master: m, connection_string: 'a:1,socket_timeout=1'}",
            "redis+sentinel://a:1/m",
            ("no equal: socket_timeout",),
        ),
        ("{type: redis, connection_string: '${REDIS}'}", None, ("does not name a host",)),
        ("{type: redis, connection_string: 'x@{{ 1 }}:1'}", None, ("does not name a host",)),
        (
            "{type: postgres, host: db, database: f s, user: u, password: hunter2, sslmode: require}",
            "postgresql://u@db:5432/f%20s?sslmode=require",
            ("the password is not copied",),
        ),
        ("{type: dynamodb, region: eu-west-1}", "dynamodb://shop?region=eu-west-1", ("one table, `shop`",)),
        ("{type: sqlite, path: data/online.db}", None, ()),
        ("{type: milvus, vector_enabled: true}", None, ("similarity search has no equal",)),
    ],
)
def test_an_online_store_is_a_uri_without_secrets(keys, uri, said, tmp_path):
    done = imported(tmp_path, settings=f"project: shop\nonline_store: {keys}\n")
    written = yaml.safe_load((tmp_path / "project/featurestore.yml").read_text())
    assert written.get("online_store") == uri
    notes = [note.what for note in done.notes if note.kind == "online store"]
    assert len(notes) == len(said)
    assert all(part in what for part, what in zip(said, notes, strict=True))
    everything = "".join(path.read_text() for path in (tmp_path / "project").rglob("*") if path.is_file())
    assert "hunter2" not in everything


def test_variables_and_passwords_of_the_settings_are_no_values_here(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_PW", "hunter3")
    settings = (
        "project: shop\noffline_store: {type: snowflake.offline, account: a1, user: '${SF_USER}', password: hunter2}\n"
    )
    imported(tmp_path, settings=settings)
    output = yaml.safe_load((tmp_path / "project/profiles.yml").read_text())["shop"]["outputs"]["dev"]
    assert (output["account"], output["user"]) == ("a1", "{{ env_var('SNOWFLAKE_USER') }}")
    assert output["password"] == "{{ env_var('SNOWFLAKE_PASSWORD') }}"
    assert online_store({"type": "redis", "connection_string": "h:1,password=$WAREHOUSE_PW"}, "p")[0] == (
        "redis://:{{ env_var('WAREHOUSE_PW') }}@h:1"
    )


def test_files_that_say_something_else_are_named_and_nothing_is_written(tmp_path):
    imported(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "project").rglob("*") if path.is_file()}
    more = {"views": [{**TRIPS, "ttl_us": 3_600_000_000}, {**TRIPS, "name": "new"}]}
    with pytest.raises(UsageError) as refused:
        imported(tmp_path, more)
    assert "2 of the files are there already, and differ: " in refused.value.what
    assert "models/feast/trips.yml" in refused.value.what
    assert "feast_import.md" in refused.value.what
    assert before == {path: path.read_bytes() for path in (tmp_path / "project").rglob("*") if path.is_file()}


def test_a_dbt_project_that_is_there_is_only_added_to(tmp_path):
    project = tmp_path / "project"
    (project / "dbt/models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: mine\nprofile: mine\nmodel-paths: [dbt/models]\n")
    (project / "profiles.yml").write_text("mine: {target: t, outputs: {t: {type: postgres, schema: s}}}\n")
    (project / "featurestore.yml").write_text("# mine\nregistry: r")
    done = imported(tmp_path, settings="project: shop\nonline_store: {type: redis, connection_string: 'h:1'}\n")
    assert done.adapter == "postgres"
    written = {file.path: file.outcome for file in done.files}
    assert written["featurestore.yml"] == "extended"
    assert written["dbt/models/feast/trips.sql"] == "created"
    assert "dbt_project.yml" not in written
    text = (project / "featurestore.yml").read_text()
    assert text.startswith("# mine\nregistry: r\nonline_store: redis://h:1\nentities:\n")
    assert any("postgres does not read its files" in hint for hint in hints(done, name="trips"))
    assert not imported(
        tmp_path, settings="project: shop\nonline_store: {type: redis, connection_string: 'h:1'}\n"
    ).is_changed


def test_entities_that_are_declared_otherwise_are_refused_with_what_to_write(tmp_path):
    (tmp_path / "project").mkdir()
    settings = tmp_path / "project/featurestore.yml"
    settings.write_text("entities: [{name: driver, join_keys: [id]}]\n")
    with pytest.raises(UsageError) as refused:
        imported(tmp_path)
    assert "entities:\n  driver:\n    join_keys:\n      - driver_id" in refused.value.hint
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["featurestore.yml"]
    settings.write_text("{online_store: 'memory:', entities: [{name: driver, join_keys: [driver_id]}]}\n")
    done = imported(tmp_path, settings="project: shop\nonline_store: {type: redis, connection_string: 'h:1'}\n")
    assert any("names another one already, which stays" in hint for hint in hints(done))


def test_a_model_of_the_same_name_elsewhere_is_refused(tmp_path):
    (tmp_path / "project/models/marts").mkdir(parents=True)
    (tmp_path / "project/models/marts/Trips.sql").write_text("select 1")
    with pytest.raises(UsageError, match=r"models/marts/Trips\.sql"):
        imported(tmp_path)
    assert not (tmp_path / "project/models/feast").exists()


def test_a_file_that_cannot_be_written_leaves_none(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/models").write_text("a file where a folder should be")
    with pytest.raises(OperationError, match="cannot be written"):
        imported(tmp_path)
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["models"]


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "views": [{"kind": "x\\n", "name": "v"}]}']
)
def test_an_answer_of_another_shape_is_one_error(answer, tmp_path):
    with pytest.raises(OperationError, match="the answer of Feast's Python cannot be read"):
        write_import(answer, repository(tmp_path / "repo"), tmp_path / "project", environ={})
    assert not (tmp_path / "project").exists()


@parsed_once
def test_the_reader_is_text_to_us_and_runs_on_python_3_9():
    text = READER.read_text(encoding="utf-8")
    outside = {"__future__", "collections", "datetime", "feast", "json", "os", "pathlib", "sys", "traceback", "typing"}
    assert held_by(ast.parse(text, feature_version=(3, 9))).imports == outside
    assert READER == PACKAGE / "scaffold/feast/reader.py"
    for path, of in held().items():
        assert "featurestore.scaffold.feast.reader" not in of.modules, path
        assert path.endswith("feast/reader.py") or "feast" not in of.imports, path
    assert not re.search(r"^@dataclass", text, re.MULTILINE)


def test_an_entity_whose_name_cannot_be_written_is_called_as_its_join_key(tmp_path):
    entities = [{"name": "the driver", "join_key": "driver_id", "type": "INT64"}]
    done = imported(tmp_path, {"entities": entities, "views": [{**TRIPS, "entities": ["the driver"]}]})
    assert model_yaml(tmp_path)["config"]["meta"]["feature_view"]["entities"] == ["driver_id"]
    assert '"driver_id",  -- join key' in model_sql(tmp_path)
    assert any("called as its join key, `driver_id`" in hint for hint in hints(done, name="trips"))


def test_owners_and_tags_of_sources_are_kept_and_those_of_entities_are_said_to_be_lost(tmp_path):
    source = {**FILE, "owner": "ops@example.com", "tags": {"tier": "gold"}}
    done = imported(
        tmp_path, {"views": [{**TRIPS, "source": source}], "entities": [{**DRIVER, "tags": {"a": "b"}}], "owner": "me"}
    )
    (block,) = yaml.safe_load((tmp_path / "project/models/feast/feast.sources.yml").read_text())["sources"]
    meta = block["tables"][0]["config"]["meta"]
    assert meta["feast"] == {"owner": "ops@example.com", "tags": {"tier": "gold"}}
    assert meta["external_location"].startswith("read_parquet('{{ env_var('FEAST_REPO', ")
    assert any("its owner and tags have no place here" in hint for hint in hints(done, name="driver"))


def test_lines_for_git_are_added_to_the_file_that_is_there(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/.gitignore").write_text("secret/\n")
    done = imported(tmp_path)
    assert (tmp_path / "project/.gitignore").read_text().startswith("secret/\n.featurestore/\ntarget/\n")
    assert done.files[-1].outcome == "extended"
    assert not imported(tmp_path).is_changed


@pytest.mark.parametrize(
    ("logging", "adapter", "made"),
    [
        ({"kind": "FileLoggingDestination", "place": "logs/served", "sample": 0.1}, "dask", "logs/served"),
        ({"kind": "FileLoggingDestination", "place": "s3://b/logs/"}, "dask", "s3://b/logs"),
        ({"kind": "FileLoggingDestination", "place": "/var/log"}, "dask", None),
        ({"kind": "FileLoggingDestination", "place": "../up"}, "dask", None),
        ({"kind": "FileLoggingDestination", "place": "s3://k:p@b/x"}, "dask", None),
        ({"kind": "FileLoggingDestination", "place": "logs", "sample": 0}, "dask", None),
        ({"kind": "SnowflakeLoggingDestination", "place": "LOGS"}, "snowflake.offline", "warehouse"),
        ({"kind": "SnowflakeLoggingDestination", "place": "LOGS"}, "dask", None),
    ],
)
def test_a_log_goes_where_it_went_or_a_note_says_that_it_does_not(logging, adapter, made, tmp_path):
    service = {"name": "s", "uses": [{"view": "trips"}], "logging": logging}
    view = {**TRIPS, "source": {"kind": "SnowflakeSource", "name": "t", "table": "T", "timestamp_field": "at"}}
    settings = f"project: shop\noffline_store: {{type: {adapter}}}\n"
    done = imported(tmp_path, {"views": [view], "services": [service]}, settings=settings)
    block = services_yaml(tmp_path)[0]["config"]["meta"]["feature_service"]
    assert block.get("logging", {}).get("to") == made
    assert block.get("logging", {}).get("sample") in {None, 1, 0.1}
    is_silent = made not in {None, "warehouse"} or logging.get("sample") == 0
    assert is_silent is (not any("its log" in hint for hint in hints(done, name="s")))
