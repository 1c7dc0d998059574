"""Opening the client: the newest registry version and the store, from arguments, the environment, or the defaults."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.definitions.views import Feature
from featurestore.errors import OnlineStoreError, UnknownNameError, UsageError
from featurestore.online.open import open_online_store
from featurestore.registry.author import Author
from featurestore.registry.document import ManifestFacts
from featurestore.registry.read import open_registry
from featurestore.serving import open_client
from tests.serving.conftest import project, sync, view

ORDERS = view()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    monkeypatch.delenv("FEATURESTORE_REGISTRY", raising=False)
    monkeypatch.delenv("FEATURESTORE_ONLINE_STORE", raising=False)


def filled(folder, registry=".featurestore/registry/", online_store="sqlite:.featurestore/online.sqlite"):
    """Apply the shop's definitions and sync one customer."""
    open_registry(registry, folder).apply(project(ORDERS), ManifestFacts(), expected=None)
    store = open_online_store(online_store, project="shop", base_dir=folder)
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    store.close()


def orders_of_customer_1(client):
    with client:
        return client.get_online_features(["orders:orders_7d"], [{"customer_id": 1}]).to_dict()["orders_7d"]


def test_without_settings_the_defaults_of_the_project_are_opened(tmp_path):
    filled(tmp_path)
    assert orders_of_customer_1(open_client(tmp_path)) == [3]


def test_arguments_win_over_the_environment_and_that_over_the_defaults(tmp_path, monkeypatch):
    filled(tmp_path, "elsewhere/registry", "sqlite:elsewhere/online.sqlite")
    monkeypatch.setenv("FEATURESTORE_REGISTRY", "elsewhere/registry")
    monkeypatch.setenv("FEATURESTORE_ONLINE_STORE", "sqlite:elsewhere/online.sqlite")
    assert orders_of_customer_1(open_client(tmp_path)) == [3]
    monkeypatch.setenv("FEATURESTORE_REGISTRY", "nowhere")
    monkeypatch.setenv("FEATURESTORE_ONLINE_STORE", "memory:wrong")
    settings = {"registry": "elsewhere/registry", "online_store": "sqlite:elsewhere/online.sqlite"}
    assert orders_of_customer_1(open_client(tmp_path, **settings)) == [3]


def test_the_file_of_settings_is_read_as_by_every_command(tmp_path, monkeypatch):
    filled(tmp_path, "elsewhere/registry", "sqlite:elsewhere/online.sqlite")
    (tmp_path / "featurestore.yml").write_text(
        "registry: elsewhere/registry\nonline_store: \"{{ env_var('SHOP_STORE') }}\"\n"
    )
    monkeypatch.setenv("SHOP_STORE", "sqlite:elsewhere/online.sqlite")
    assert orders_of_customer_1(open_client(tmp_path)) == [3]
    monkeypatch.setenv("FEATURESTORE_ONLINE_STORE", "memory:not filled")
    with pytest.raises(OnlineStoreError, match="never filled"):
        orders_of_customer_1(open_client(tmp_path))


def test_where_targets_differ_one_has_to_be_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DBT_TARGET", raising=False)
    filled(tmp_path, online_store="sqlite:prod.sqlite")
    (tmp_path / "featurestore.yml").write_text("targets: {prod: {online_store: sqlite:prod.sqlite}}")
    with pytest.raises(UsageError) as problem:
        open_client(tmp_path)
    assert str(problem.value) == (
        "featurestore.yml: targets: the settings differ by dbt target, and none is named\n"
        '  -> write open_client(target="prod"), or set DBT_TARGET; known: prod'
    )
    assert orders_of_customer_1(open_client(tmp_path, target="prod")) == [3]
    monkeypatch.setenv("DBT_TARGET", "prod")
    assert orders_of_customer_1(open_client(tmp_path)) == [3]


DBT_FILES = {
    "dbt_project.yml": "{name: shop, profile: shop}",
    "profiles.yml": "{shop: {target: dev, outputs: {dev: {type: duckdb}, prod: {type: duckdb}}}}",
}


def write_files(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({"featurestore.yml": "targets: {prod: {online_store: sqlite:prod.sqlite}}"}, "did you mean prod?"),
        (DBT_FILES, "did you mean prod?"),
        ({**DBT_FILES, "featurestore.yml": "targets: {prod2: {online_store: sqlite:x}}"}, "prod or prod2?"),
        ({**DBT_FILES, "featurestore.yml": "{}"}, "did you mean prod?"),
    ],
)
def test_a_misspelt_target_is_an_error_that_names_the_known_ones(tmp_path, monkeypatch, files, hint):
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    filled(tmp_path)
    write_files(tmp_path, files)
    with pytest.raises(UnknownNameError, match="no target 'prdo' in ") as problem:
        open_client(tmp_path, target="prdo")
    assert hint in str(problem.value)
    monkeypatch.setenv("DBT_TARGET", "prdo")
    with pytest.raises(UnknownNameError, match="no target 'prdo' in "):
        open_client(tmp_path)


def test_a_target_of_dbt_needs_no_settings_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    filled(tmp_path)
    write_files(tmp_path, {**DBT_FILES, "featurestore.yml": "targets: {prod: {online_store: sqlite:prod.sqlite}}"})
    assert orders_of_customer_1(open_client(tmp_path, target="dev")) == [3]


def test_without_dbts_files_a_target_without_settings_is_written_into_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    filled(tmp_path)
    write_files(tmp_path, {"featurestore.yml": "targets: {prod: {online_store: sqlite:prod.sqlite}}"})
    with pytest.raises(UnknownNameError, match=r"is written `targets: \{dev: \{\}\}`"):
        open_client(tmp_path, target="dev")
    write_files(tmp_path, {"featurestore.yml": "targets: {prod: {online_store: sqlite:prod.sqlite}, dev: {}}"})
    assert orders_of_customer_1(open_client(tmp_path, target="dev")) == [3]


def test_where_nothing_names_a_target_any_name_opens_the_one_store(tmp_path):
    filled(tmp_path)
    assert orders_of_customer_1(open_client(tmp_path, target="prod")) == [3]


def test_a_misspelt_target_is_said_before_variables_that_another_one_needs(tmp_path):
    settings = "online_store: \"{{ env_var('NOT_SET_HERE') }}\"\ntargets: {prod: {online_store: sqlite:p.sqlite}}"
    write_files(tmp_path, {"featurestore.yml": settings})
    with pytest.raises(UnknownNameError, match="did you mean prod"):
        open_client(tmp_path, target="prdo")


def test_before_the_first_apply_the_way_out_is_said(tmp_path):
    with pytest.raises(UsageError, match="-> run `featurestore apply`"):
        open_client(tmp_path)


def test_a_client_in_a_new_process_loads_nothing_heavy(tmp_path):
    filled(tmp_path)
    code = f"""
import sys
from featurestore.serving import open_client
print(open_client({str(tmp_path)!r}).get_online_features(["orders:orders_7d"], [{{"customer_id": 1}}]).rows())
heavy = ("duckdb", "sqlglot", "pyarrow", "pandas", "numpy", "redis", "dbt", "click", "yaml", "jinja2")
print([name for name in heavy if name in sys.modules])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[{'customer_id': 1, 'orders_7d': 3}]\n[]\n"


def tagged(folder):
    """Two versions: the first is ``prod``, the second has another feature in front."""
    filled(folder)
    registry = open_registry(".featurestore/registry/", folder)
    wider = replace(ORDERS, features=(Feature(name="visits", type="int64"), *ORDERS.features))
    registry.apply(project(wider), ManifestFacts(), expected=1)
    registry.tag("prod", 1, author=Author())
    return registry, wider


@pytest.mark.parametrize("pin", ["@prod", 1, "1"])
def test_a_client_is_pinned_to_a_tag_or_a_number(tmp_path, monkeypatch, pin):
    tagged(tmp_path)
    for client in (open_client(tmp_path, registry_version=pin), opened_by_environment(tmp_path, monkeypatch, pin)):
        assert orders_of_customer_1(client) == [3]
        with pytest.raises(UnknownNameError, match="no feature 'visits'"):
            client.get_online_features(["orders:visits"], [{"customer_id": 1}])


def opened_by_environment(folder, monkeypatch, pin):
    monkeypatch.setenv("FEATURESTORE_REGISTRY_VERSION", str(pin))
    return open_client(folder)


@pytest.mark.parametrize(
    ("pin", "error", "said"),
    [
        ("@pord", UnknownNameError, "no tag 'pord'"),
        (7, UnknownNameError, "no version '7'"),
        ("prod", UsageError, "expected a version's number such as 12, or a tag such as @prod, got 'prod'"),
        (True, UsageError, "got True"),
    ],
)
def test_a_pin_that_leads_nowhere_is_one_clear_error(tmp_path, pin, error, said):
    tagged(tmp_path)
    with pytest.raises(error, match=said):
        open_client(tmp_path, registry_version=pin)


def test_after_a_rollback_old_and_new_clients_read_the_rows_of_either_layout_o9(tmp_path):
    registry, wider = tagged(tmp_path)
    asked = [{"customer_id": 1}]
    new = open_client(tmp_path)
    store = open_online_store("sqlite:.featurestore/online.sqlite", project="shop", base_dir=tmp_path)
    sync(store, wider, {"customer_id": 1, "visits": 70, "orders_7d": 4, "spend": 0.5})
    registry.rollback(1, author=Author())
    with open_client(tmp_path) as back:
        assert back.get_online_features(["orders:orders_7d", "orders:spend"], asked).to_dict()["spend"] == [0.5]
        sync(store, ORDERS, {"customer_id": 1, "orders_7d": 5, "spend": 0.75})
        assert back.get_online_features(["orders:orders_7d"], asked).to_dict()["orders_7d"] == [5]
    with new:
        answer = new.get_online_features(["orders:visits", "orders:orders_7d"], asked).to_dict()
        assert (answer["visits"], answer["orders_7d"]) == ([None], [5])
    store.close()
