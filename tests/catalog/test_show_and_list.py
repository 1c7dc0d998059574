"""`show`: tests, readers, freshness and code that runs; `list` with a selection."""

from __future__ import annotations

import os
import shlex

import pytest

from featurestore.catalog.details import feature_details, service_details, view_details
from featurestore.catalog.samples import service_samples
from featurestore.definitions.services import FeatureService
from tests.catalog.scene import CHURN_SERVICE, GRAPH, PROJECT
from tests.registry.shop import ORDERS
from tests.shop import copy_of


def test_a_view_knows_its_tests_and_readers():
    details = view_details(GRAPH, PROJECT, ORDERS)
    assert details.made_of == ("stg_orders",)
    assert details.tests == ("not_null(customer_id)", "unique_entity_timestamp")
    readers = details.consumers
    assert (readers.services, readers.exposures) == (("churn", "spend"), ('The "board"',))
    assert (readers.training_sets, readers.models) == (("churn_training",), ())


def test_a_feature_knows_the_services_that_use_it_and_its_columns_tests():
    feature = ORDERS.features[1]
    details = feature_details(GRAPH, PROJECT, ORDERS, feature)
    assert details.consumers.services == ("spend",)
    assert details.tests == ()


def test_code_names_what_examples_need():
    python, commands, model = service_samples(PROJECT, CHURN_SERVICE, online=True)
    assert "# examples.csv: customer_id, event_timestamp, basket" in python.code
    assert commands.code.endswith("featurestore get-online --service churn --entity customer_id=1001")
    assert '        "tier@v2:tier",\n' in model.code
    assert service_details(PROJECT, CHURN_SERVICE).made_of == ("orders", "tier@v2")


def test_code_for_a_service_whose_view_is_gone_can_be_shown():
    gone = FeatureService(name="gone", features=("nowhere:x",))
    assert service_details(PROJECT, gone).samples == ()


def test_the_dbt_model_calls_the_macro_as_the_project_has_it(applied):
    def model():
        return applied.run("show", "orders", "--json").json[0]["details"]["samples"][2]["code"]

    assert model().startswith("{{ training_set(")
    applied.write_manifest(macros={"macro.featurestore.training_set": {}})
    assert model().startswith("{{ featurestore.training_set(")
    applied.run("docs")
    page = (applied.folder / "target" / "featurestore.html").read_text()
    assert page.count("{{ featurestore.training_set(") == page.count("{{ ")


@pytest.mark.slow
def test_the_commands_that_show_prints_run(shop, tmp_path):
    from tests.cli.tiny import Tiny

    mine = copy_of(shop, tmp_path / "mine")
    project = Tiny(folder=mine.project_dir)
    environ = {"DBT_PROFILES_DIR": str(mine.profiles_dir)}
    for command in ("apply", "materialize"):
        assert project.run(command, environ=environ).code == 0
    examples = "customer_id,origin_id,destination_id,product_id,event_timestamp\n8,N,S,110,2026-07-01 12:00:00\n"
    (mine.project_dir / "examples.csv").write_text(examples)
    for name in ("delivery_delay_v1", "customer_orders:orders_30d"):
        told = project.run("show", name, "--json", environ=environ).json[0]
        python, commands, _ = told["details"]["samples"]
        for line in commands["code"].split("\n"):
            ran = project.run(*shlex.split(line)[1:], environ=environ)
            assert ran.code == 0, ran.err
        assert "get_online_features" in python["code"]
    shown = project.run("show", "shop_days", "--code", environ=environ).out
    assert "unique_entity_timestamp, unit: midnight_belongs_to_the_day_that_begins" in shown
    assert "freshness      stale, newest event" in shown


def test_show_says_nothing_of_freshness_where_the_store_is_away(applied):
    ran = applied.run("show", "orders", "--online-store", "redis://127.0.0.1:1/0")
    assert ran.code == 0
    assert "freshness" not in ran.out
    assert applied.run("show", "orders", "--json").json[0]["freshness"]["state"] == "never synced"


def test_list_takes_a_selection(applied):
    assert applied.run("list", "--select", "entity:customer").lines[1].startswith("orders")
    assert applied.run("list", "services", "-s", "orders+").lines[1].startswith("churn")
    assert [line["reference"] for line in applied.run("list", "features", "-s", "orders", "--json").json] == [
        "orders:order_count",
        "orders:amount",
        "orders:tags",
    ]
    assert applied.run("list", "entities", "-s", "orders").lines[1].startswith("customer")
    assert applied.run("list", "sources", "--json").json == []


@pytest.mark.parametrize(("columns", "last"), [(50, "ONLINE"), (200, "DESCRIPTION")])
def test_a_list_fits_the_terminal(applied, columns, last):
    from tests.cli.tiny import start

    ours, theirs = os.openpty()
    with start("list", cwd=applied.folder, environ={"COLUMNS": str(columns)}, stdout=theirs) as process:
        assert process.wait() == 0
    os.close(theirs)
    lines = os.read(ours, 65_536).decode().splitlines()
    os.close(ours)
    assert lines[0].split()[-1] == last
    assert lines[1].startswith("orders")
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("arguments", [("views", "-s", "tag:no"), ("services", "-s", "orders"), ("-s", "ownr:x")])
def test_an_empty_selection_is_refused(applied, arguments):
    ran = applied.run("list", *arguments)
    assert ran.code == 2
    assert "->" in ran.err


def test_an_exposure_that_came_after_apply_is_seen(applied):
    from tests.cli.tiny import churn, labels, orders
    from tests.manifest.manifests import exposure

    board = exposure([], name="board", type="dashboard", config={"meta": {}}, unrendered_config={})
    board["resource_type"] = "exposure"
    board["depends_on"] = {"nodes": ["model.shop.orders"]}
    applied.write_manifest(orders(), labels(), churn(), board)
    assert "board" in applied.run("show", "orders").out
    assert "board  dashboard" in applied.run("lineage").out
