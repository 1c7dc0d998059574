"""dbt's files: missing, cut off, of another version; what ran; what types the catalog knows; is the manifest stale."""

from __future__ import annotations

import json
import os

import pytest

from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.manifest.artifacts import load_catalog, load_manifest, load_run_results, newer_sources
from featurestore.manifest.dialects import DIALECTS, dialect_of
from featurestore.manifest.tables import find_table
from tests.manifest.manifests import COLUMNS, document, model


@pytest.fixture
def target(tmp_path, monkeypatch):
    """The target folder of a dbt project, which is the current directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def refusal(load, *args, **options):
    with pytest.raises(UsageError) as caught:
        load(*args, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def with_schema(url):
    return document(metadata={"dbt_schema_version": url, "dbt_version": "1.7.4"})


def test_a_manifest_is_read(target):
    (target / "manifest.json").write_text(json.dumps(document(model())))
    found = load_manifest(target)
    assert (found.project_name, found.adapter_type, list(found.nodes)) == ("shop", "duckdb", ["model.shop.user_orders"])


def test_a_table_is_found_by_its_dbt_name_with_the_columns_of_its_contract(target):
    (target / "manifest.json").write_text(json.dumps(document(model())))
    found = find_table(load_manifest(target), "user_orders", dialect="duckdb")
    assert found.relation == '"shop"."main"."user_orders"'
    assert [column.name for column in found.columns] == list(COLUMNS)


def test_of_equal_names_the_projects_own_table_is_meant(target):
    foreign = model(package_name="a_package", relation_name='"shop"."a_package"."user_orders"')
    (target / "manifest.json").write_text(json.dumps(document(foreign, model())))
    found = find_table(load_manifest(target), "user_orders", dialect="duckdb")
    assert found.relation == '"shop"."main"."user_orders"'


def test_no_manifest(target):
    assert refusal(load_manifest, target) == "no manifest at target/manifest.json\n  -> run dbt parse or dbt build"


@pytest.mark.parametrize(
    ("mistake", "content", "message"),
    [
        (
            "cut off",
            json.dumps(document(model()))[:200],
            (
                "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
                "  -> run dbt parse or dbt build"
            ),
        ),
        (
            "empty",
            "",
            (
                "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
                "  -> run dbt parse or dbt build"
            ),
        ),
        (
            "another shape",
            "[1, 2]",
            (
                "target/manifest.json: not the file that dbt writes: Expected `object`, got `array`\n"
                "  -> run dbt parse or dbt build"
            ),
        ),
        (
            "a node of another shape",
            json.dumps(document(nodes={"model.shop.x": 7})),
            (
                "target/manifest.json: not the file that dbt writes: Expected `object`, got `int` - at `$.nodes[...]`\n"
                "  -> run dbt parse or dbt build"
            ),
        ),
        (
            "no schema version",
            json.dumps({"metadata": {}, "nodes": {}}),
            "target/manifest.json: not a dbt manifest: it names no schema version\n  -> run dbt parse or dbt build",
        ),
        (
            "another artifact's schema",
            json.dumps(with_schema("https://schemas.getdbt.com/dbt/catalog/v1.json")),
            "target/manifest.json: not a dbt manifest: it names no schema version\n  -> run dbt parse or dbt build",
        ),
        (
            "too old",
            json.dumps(with_schema("https://schemas.getdbt.com/dbt/manifest/v11.json")),
            (
                "target/manifest.json: expected manifest schema v12 (dbt 1.8 and later), got v11 of dbt 1.7.4\n"
                "  -> upgrade dbt, then run dbt parse or dbt build"
            ),
        ),
        (
            "too new",
            json.dumps(with_schema("https://schemas.getdbt.com/dbt/manifest/v13.json")),
            (
                "target/manifest.json: expected manifest schema v12 (dbt 1.8 and later), got v13 of dbt 1.7.4\n"
                "  -> upgrade featurestore"
            ),
        ),
    ],
)
def test_a_manifest_that_cannot_be_read(target, mistake, content, message):
    (target / "manifest.json").write_text(content)
    assert refusal(load_manifest, target) == message, mistake


def test_a_folder_in_place_of_the_manifest(target):
    (target / "manifest.json").mkdir()
    assert refusal(load_manifest, target).startswith("target/manifest.json: cannot be read: Is a directory")


def test_an_unknown_adapter_has_no_dialect():
    assert dialect_of("duckdb") == "duckdb"
    assert (
        refusal(dialect_of, "duck") == "no SQL dialect is known for the dbt adapter 'duck'\n  -> did you mean duckdb?"
    )


def test_every_dialect_is_one_that_sqlglot_knows():
    from sqlglot import Dialect

    for dialect in DIALECTS.values():
        assert Dialect.get_or_raise(dialect)


def ran(target, command, *results):
    args = {} if command is None else {"which": command}
    run = {"metadata": {"invocation_id": "i1"}, "args": args}
    run["results"] = [{"unique_id": unique_id, "status": status} for unique_id, status in results]
    (target / "run_results.json").write_text(json.dumps(run))
    return load_run_results(target)


def test_what_a_run_built_are_models_snapshots_and_seeds_without_error(target):
    run = ran(
        target,
        "build",
        ("model.shop.b", "success"),
        ("snapshot.shop.a", "success"),
        ("seed.shop.c", "success"),
        ("model.shop.failed", "error"),
        ("model.shop.some_batches", "partial success"),
        ("model.shop.skipped", "skipped"),
        ("test.shop.ok", "pass"),
        ("test.shop.bad", "fail"),
        ("exposure.shop.e", "no-op"),
        ("operation.shop.hook", "success"),
    )
    assert (run.invocation_id, run.command) == ("i1", "build")
    assert run.succeeded == ("model.shop.b", "seed.shop.c", "snapshot.shop.a")
    assert run.failed == ("model.shop.failed", "model.shop.some_batches", "test.shop.bad")


@pytest.mark.parametrize(("command", "built"), [("run", 1), (None, 1), ("compile", 0), ("generate", 0), ("test", 0)])
def test_compiling_is_not_building(target, command, built):
    """`dbt docs generate` writes status "success" for models that it only compiled."""
    assert len(ran(target, command, ("model.shop.a", "success")).succeeded) == built


def test_no_run_results(target):
    assert (
        refusal(load_run_results, target) == "no run results at target/run_results.json\n  -> run dbt build or dbt run"
    )


def test_a_catalog_gives_types_in_table_order(target):
    own = {"b": ("FLOAT", 2), "A": ("VARCHAR", 1)}
    table = {name: {"name": name, "type": value_type, "index": at} for name, (value_type, at) in own.items()}
    (target / "catalog.json").write_text(json.dumps({"nodes": {"model.shop.x": {"columns": table}}, "sources": {}}))
    assert load_catalog(target, dialect="duckdb") == {
        "model.shop.x": (Column(name="A", type="string"), Column(name="b", type="float32"))
    }
    assert load_catalog(target, dialect="snowflake")["model.shop.x"][1] == Column(name="b", type="float64")


def test_no_catalog_is_no_problem_but_a_broken_one_is(target):
    assert load_catalog(target, dialect="duckdb") == {}
    (target / "catalog.json").write_text("{")
    assert refusal(load_catalog, target, dialect="duckdb") == (
        "target/catalog.json: not valid JSON, perhaps cut off while dbt was writing it\n"
        "  -> run dbt docs generate, or delete the file"
    )


def test_files_changed_after_the_manifest_are_named(target, tmp_path):
    (tmp_path / "models").mkdir()
    for name in ("user_orders.sql", "user_orders.yml", "old.sql"):
        (tmp_path / "models" / name).write_text("select 1")
        os.utime(tmp_path / "models" / name, (1_000, 1_000))
    (target / "manifest.json").write_text(json.dumps(document(model(), model("old"), model("of", package_name="pkg"))))
    os.utime(target / "manifest.json", (2_000, 2_000))
    found = load_manifest(target)
    assert newer_sources(found, tmp_path, target) == ()
    os.utime(tmp_path / "models" / "user_orders.yml", (3_000, 3_000))
    assert newer_sources(found, tmp_path, target) == ("models/user_orders.yml",)
