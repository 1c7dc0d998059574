"""Real manifests: what dbt itself makes of a project, read back. One dbt build for the whole session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.entities import Entity
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import DefinitionError, UsageError
from featurestore.manifest.artifacts import load_catalog, load_manifest, load_run_results, newer_sources
from featurestore.manifest.dbt_project import load_dbt_project
from featurestore.manifest.profiles import load_profile
from featurestore.manifest.read import declared_relations, read_project
from featurestore.manifest.settings import load_settings
from featurestore.manifest.targets import check_target

pytestmark = pytest.mark.slow

FILES = {
    "dbt_project.yml": """
        name: shop
        profile: shop
        models: {shop: {dims: {+schema: dims}}}
    """,
    "profiles.yml": """
        shop:
          target: dev
          outputs:
            dev: {type: duckdb, path: "{{ env_var('SHOP_DB', 'shop.duckdb') }}", schema: main}
            prod: {type: duckdb, path: prod.duckdb, schema: main}
    """,
    "featurestore.yml": """
        entities: {product: {join_keys: [product_id]}}
    """,
    "models/dims/customers.sql": "select 1 as customer_id, 'gold' as tier",
    "models/dims/customers.yml": """
        models:
          - name: customers
            config: {meta: {feature_entity: {name: customer, join_keys: [customer_id]}}}
            columns:
              - {name: customer_id, entity: {type: primary, name: customer}}
    """,
    "models/orders.sql": """
        select 1 as customer_id, timestamp '2026-01-01' as placed_at, timestamp '2026-01-02' as loaded_at,
            3::bigint as order_count, 1.5::decimal(18, 2) as amount_sum
    """,
    "models/orders.yml": """
        models:
          - name: orders
            description: Orders so far. One row per customer and order.
            config:
              event_time: placed_at
              materialized: table
              contract: {enforced: true}
              tags: [feature_view]
              meta: {feature_view: {entities: [customer], ttl: 30d, created_at: loaded_at}}
            columns:
              - {name: customer_id, data_type: integer}
              - {name: placed_at, data_type: timestamp}
              - {name: loaded_at, data_type: timestamp}
              - name: order_count
                data_type: bigint
                description: Orders so far.
                config: {tags: [pii], meta: {feature: {default: 0}}}
              - {name: amount_sum, data_type: "decimal(18,2)"}
    """,
    "models/scores_v1.sql": "select 1 as customer_id, timestamp '2026-01-01' as scored_at, 1 as score, 2 as other",
    "models/scores_v2.sql": "select 1 as customer_id, timestamp '2026-01-01' as scored_at, 1 as score",
    "models/scores.yml": """
        models:
          - name: scores
            latest_version: 2
            config:
              event_time: scored_at
              tags: [a]
              meta: {feature_view: {entities: [customer], ttl: 1d, tie_breakers: [score]}}
            versions:
              - v: 1
                config:
                  tags: [a]
                  meta: {feature_view: {entities: [customer], tie_breakers: [score], features: [score]}}
              - v: 2
                config: {alias: scores_now}
    """,
    "models/in_sql.sql": """
        {{ config(meta={'feature_view': {'entities': ['product'], 'event_time': 'at'}}) }}
        select 1 as product_id, date '2026-01-01' as at, 1 as price
    """,
    "models/passing.sql": """
        {{ config(materialized='ephemeral') }} select 1 as x
    """,
    "models/off.sql": """
        {{ config(enabled=false, meta={'feature_view': {'entities': ['customer']}}) }} select 1 as customer_id
    """,
    "snapshots/tiers.yml": """
        snapshots:
          - name: tiers
            relation: ref('customers')
            config:
              unique_key: customer_id
              strategy: check
              check_cols: all
              hard_deletes: invalidate
              dbt_valid_to_current: "cast('9999-12-31' as timestamp)"
              snapshot_meta_column_names: {dbt_valid_from: since, dbt_valid_to: till}
              meta: {feature_view: {entities: [customer]}}
    """,
    "models/churn_v1.yml": """
        exposures:
          - name: churn_v1
            type: ml
            owner: {name: Risk, email: risk@example.com}
            depends_on: [ref('orders'), "ref('scores', v=1)"]
            config:
              meta:
                feature_service:
                  features:
                    - orders:order_count
                    - scores@v1:score
                    - {view: orders, name: partner, join_keys: {customer_id: partner_id}, features: [amount_sum]}
    """,
}


def dbt(project, *arguments, fails=False):
    """Run dbt in a project, which succeeds or fails as expected; returns what it printed."""
    command = shutil.which("dbt", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command is not None
    variables = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    run = subprocess.run(
        [command, "--no-use-colors", *arguments],
        cwd=project,
        env={**variables, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode != 0) == fails, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A project that dbt has built, with its catalog."""
    project = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        indent = len(text) - len(text.lstrip()) - 1 if text.startswith("\n") else 0
        path.write_text("\n".join(line[indent:] for line in text.splitlines()) + "\n")
    dbt(project, "build")
    shutil.copytree(project / "target", project / "after_build")
    dbt(project, "docs", "generate", "--no-compile")
    return project


@pytest.fixture(scope="session")
def reading(built):
    """The project, read with the columns that DuckDB itself says."""
    found = load_dbt_project(built, environ={})
    manifest = load_manifest(found.target_dir)
    settings = load_settings(built, target="dev", environ={})
    return read_project(manifest, settings, target="dev", columns=columns_in(built / "shop.duckdb", manifest))


def columns_in(database, manifest):
    """Columns of every declared relation, as the database says."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            relation: tuple(
                Column(name=name, type=parse_type(value_type))
                for name, value_type, *_ in connection.sql(f"describe select * from {relation}").fetchall()
            )
            for relation in declared_relations(manifest)
        }


def test_every_feature_view_of_the_project_is_found(reading):
    assert [(view.reference, view.is_latest) for view in reading.project.views] == [
        ("in_sql", True),
        ("orders", True),
        ("scores@v1", False),
        ("scores@v2", True),
        ("tiers", True),
    ]
    assert reading.project.entities == (
        Entity(name="customer", join_keys=("customer_id",)),
        Entity(name="product", join_keys=("product_id",)),
    )


def test_lists_that_dbt_doubles_in_versions_are_single(built, reading):
    """dbt 1.11 appends the lists of a model's meta to those of its version."""
    raw = load_manifest(built / "target").nodes["model.shop.scores.v1"]["config"]["meta"]["feature_view"]
    assert raw["entities"] == ["customer", "customer"], "dbt has mended this: say so in the guide"
    old, new = reading.project.view("scores", version="1"), reading.project.view("scores")
    assert (old.entities, old.tie_breakers, old.tags) == (("customer",), ("score",), ("a",))
    assert ([feature.name for feature in old.features], old.ttl_us) == (["score"], DAY)
    assert (new.relation, [feature.name for feature in new.features]) == ('"shop"."main"."scores_now"', ["score"])


def test_a_snapshot_brings_its_own_names_and_its_end_that_is_never_null(reading):
    """P9: with `dbt_valid_to_current` the end is a far date, which compares as it should."""
    tiers = reading.project.view("tiers")
    assert (tiers.event_time.name, tiers.valid_to.name) == ("since", "till")
    assert [feature.name for feature in tiers.features] == ["tier"]


def test_a_contracted_model_is_read_whole(reading):
    orders = reading.project.view("orders")
    assert (orders.relation, orders.ttl_us, orders.created_at.name) == ('"shop"."main"."orders"', 30 * DAY, "loaded_at")
    count, amount = orders.features
    assert (count.type, count.default, count.tags, count.description) == ("int64", 0, ("pii",), "Orders so far.")
    assert (amount.name, amount.type) == ("amount_sum", "decimal(18,2)")
    assert (orders.source.path, orders.source.yaml_path) == ("models/orders.sql", "models/orders.yml")
    assert len(orders.source.checksum) == 64


def test_metadata_in_sql_counts_and_a_date_is_delayed(reading):
    """P7."""
    view = reading.project.view("in_sql")
    assert (view.entities, view.event_time, view.delay_us) == (("product",), Column(name="at", type="date"), DAY)
    assert [warning.splitlines()[0] for warning in reading.warnings] == [
        (
            "models/in_sql.sql: config.meta.feature_view.event_time: 'at' is a DATE and no delay is declared, "
            "so rows count from one day later (SEMANTICS P7)"
        )
    ]


def test_the_exposure_is_the_service(reading):
    (service,) = reading.project.services
    assert (service.name, service.owner) == ("churn_v1", "Risk")
    assert service.features == (
        "orders:order_count",
        "scores@v1:score",
        "orders[customer_id=partner_id] as partner:amount_sum",
    )


def test_the_catalog_says_the_same_as_the_warehouse(built, reading):
    manifest = load_manifest(built / "target")
    settings = load_settings(built, target="dev", environ={})
    catalog = load_catalog(built / "target", dialect="duckdb")
    assert read_project(manifest, settings, target="dev", columns={}, catalog=catalog) == reading


def test_without_warehouse_and_catalog_each_model_without_types_is_named(built):
    settings = load_settings(built, target="dev", environ={})
    with pytest.raises(DefinitionError) as caught:
        read_project(load_manifest(built / "target"), settings, target="dev", columns={})
    hints = [problem.rpartition("-> ")[2] for problem in caught.value.problems]
    names = ["in_sql", "scores.v1", "scores.v2", "tiers"]
    assert hints == [f"run dbt build --select {name} (or add columns with data_type)" for name in names]


def test_the_run_says_what_was_built(built):
    run = load_run_results(built / "after_build")
    assert (run.command, run.failed) == ("build", ())
    assert run.succeeded == (
        "model.shop.customers",
        "model.shop.in_sql",
        "model.shop.orders",
        "model.shop.scores.v1",
        "model.shop.scores.v2",
        "snapshot.shop.tiers",
    )


def test_the_target_that_the_manifest_was_made_for_is_recognised(built):
    project = load_dbt_project(built, environ={})
    manifest = load_manifest(project.target_dir)
    check_target(manifest, load_profile(project, profiles_dir=built, environ={}))
    with pytest.raises(UsageError, match="database 'shop', but target 'prod' is database 'prod'"):
        check_target(manifest, load_profile(project, profiles_dir=built, target="prod", environ={}))


def test_a_fresh_manifest_is_up_to_date(built):
    assert newer_sources(load_manifest(built / "target"), built, built / "target") == ()


def test_what_we_rely_on_in_dbts_own_files(built):
    """An ephemeral model has no relation; a snapshot's way to delete is in its config; disabled models stand apart."""
    manifest = load_manifest(built / "target")
    assert manifest.nodes["model.shop.passing"]["relation_name"] is None
    assert manifest.nodes["snapshot.shop.tiers"]["config"]["hard_deletes"] == "invalidate"
    assert list(manifest.disabled) == ["model.shop.off"]
