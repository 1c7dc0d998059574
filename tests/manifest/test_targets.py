"""A manifest that was made for another target is refused, as far as the manifest shows it."""

from __future__ import annotations

import pytest

from featurestore.errors import UsageError
from featurestore.manifest.profiles import Profile
from featurestore.manifest.targets import check_target
from tests.manifest.manifests import manifest, model


def target(adapter="duckdb", **values):
    return Profile(name="shop", target="prod", type=adapter, values=values)


def refusal(found, profile):
    with pytest.raises(UsageError) as caught:
        check_target(found, profile)
    assert caught.value.exit_code == 2
    assert caught.value.hint == "run dbt parse --target prod"
    return caught.value.what


@pytest.mark.parametrize(
    ("how", "profile"),
    [
        ("a file of the database's name", target(path="data/shop.duckdb", schema="main")),
        ("a file with several dots", target(path="/data/shop.v2.duckdb", schema="main")),
        ("an attached database that is named", target(path="other.duckdb", database="shop", schema="main")),
        ("motherduck", target(path="md:shop?token=x", schema="main")),
        ("another case", target(path="SHOP.duckdb", schema="MAIN")),
        ("no schema given", target(path="shop.duckdb")),
    ],
)
def test_the_same_target_passes(how, profile):
    check_target(manifest(model()), profile)


@pytest.mark.parametrize(
    ("what", "profile", "difference"),
    [
        ("adapter", target("postgres", dbname="shop", schema="main"), "adapter duckdb, but target 'prod' is postgres"),
        ("file", target(path="prod.duckdb", schema="main"), "database 'shop', but target 'prod' is database 'prod'"),
        ("memory", target(schema="main"), "database 'shop', but target 'prod' is database 'memory'"),
        ("schema", target(path="shop.duckdb", schema="prod"), "schema 'main', but target 'prod' is schema 'prod'"),
    ],
)
def test_another_target_is_refused(what, profile, difference):
    assert refusal(manifest(model()), profile) == f"the manifest was made for {difference}", what


def test_databases_and_schemas_of_a_nodes_own_are_not_compared():
    own = model(database="elsewhere", schema="main_dims", config={"database": "elsewhere", "schema": "dims"})
    check_target(manifest(own), target(path="shop.duckdb", schema="main"))
    check_target(manifest(own, model("b")), target(path="shop.duckdb", schema="main"))


def test_one_node_in_the_targets_schema_is_enough():
    check_target(manifest(model(), model("b", schema="other")), target(path="shop.duckdb", schema="main"))


def test_projects_that_name_schemas_and_databases_themselves_are_not_compared_by_them():
    macros = {"macro.dbt.generate_schema_name": {}, "macro.shop.generate_schema_name": {}}
    check_target(manifest(model(), macros=macros), target(path="shop.duckdb", schema="prod"))
    macros = {"macro.shop.generate_database_name": {}}
    check_target(manifest(model(), macros=macros), target(path="prod.duckdb", schema="main"))
    only_dbts_own = {"macro.dbt.generate_schema_name": {}, "macro.dbt_duckdb.generate_schema_name": {}}
    assert refusal(manifest(model(), macros=only_dbts_own), target(path="shop.duckdb", schema="prod"))


def test_other_warehouses_say_their_database_in_the_profile():
    metadata = {**manifest().metadata, "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}
    postgres = manifest(model(), metadata={**metadata, "adapter_type": "postgres"})
    check_target(postgres, target("postgres", dbname="shop", schema="main"))
    assert "database 'shop'" in refusal(postgres, target("postgres", dbname="prod", schema="main"))
