"""Newer registry versions are taken up between requests; one that cannot be read changes nothing."""

from __future__ import annotations

import gc
import shutil
import signal
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.definitions.views import Feature
from featurestore.online.open import open_online_store
from featurestore.registry.author import Author
from featurestore.registry.read import open_registry, read_latest_document
from featurestore.server.served import Newest, settle
from tests.server.running import apply, config_of, message, running, wait_for
from tests.serving.conftest import project, sync, view

ORDERS = view()
SERVICE = (("churn", ("orders:orders_7d",)),)
WIDER = (("churn", ("orders:orders_7d", "orders:spend")),)
ASKED = ("churn", {"customer_id": [1]})


@pytest.fixture
def folder(tmp_path):
    apply(tmp_path, project(ORDERS, services=SERVICE))
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(tmp_path))
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    store.close()
    return tmp_path


def names(server):
    return list(server.values(*ASKED))


def test_a_newer_version_is_taken_up_by_itself(folder):
    with running(folder, "--reload-registry", "0.1", "--workers", "2") as server:
        assert names(server) == ["customer_id", "orders_7d"]
        apply(folder, project(ORDERS, services=WIDER))
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])
        wait_for(lambda: server.get("/feature-services").json()["registry_version"] == 2)
        wait_for(lambda: server.log.count("serving registry version 2") == 2)


def test_without_looking_only_sighup_takes_it_up(folder):
    with running(folder, "--reload-registry", "0") as server:
        apply(folder, project(ORDERS, services=WIDER))
        assert names(server) == ["customer_id", "orders_7d"]
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])


def tag(folder, version):
    """Let ``prod`` mean a version."""
    open_registry("registry", Path(folder)).tag("prod", version, author=Author())


def test_a_server_that_is_pinned_follows_its_tag_and_no_newer_version(folder):
    tag(folder, 1)
    apply(folder, project(ORDERS, services=WIDER))
    with running(folder, "--reload-registry", "0.1", "--registry-version", "@prod") as server:
        assert names(server) == ["customer_id", "orders_7d"]
        tag(folder, 2)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])
        tag(folder, 1)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d"])


def test_a_server_follows_a_rollback_and_its_rows_are_read_by_their_own_layout_o9(folder):
    wider = replace(ORDERS, features=(Feature(name="visits", type="int64"), *ORDERS.features))
    apply(folder, project(wider, services=(("churn", ("orders:visits", "orders:orders_7d")),)))
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(folder))
    sync(store, wider, {"customer_id": 1, "visits": 70, "orders_7d": 4, "spend": 0.5})
    store.close()
    with running(folder, "--reload-registry", "0.1") as server:
        assert server.values(*ASKED) == {"customer_id": [1], "visits": [70], "orders_7d": [4]}
        open_registry("registry", Path(folder)).rollback(1, author=Author())
        wait_for(lambda: server.values(*ASKED) == {"customer_id": [1], "orders_7d": [4]})


def broken(folder):
    newest = max((folder / "registry").glob("v*.json"))
    newest.write_text(newest.read_text().replace("orders_7d", "orders_8d"))


def empty(folder):
    (folder / "registry" / "v0000000002.json").write_text("")


def gone(folder):
    shutil.rmtree(folder / "registry")


def of_another_project(folder):
    shutil.rmtree(folder / "registry")
    apply(folder, replace(project(ORDERS, services=WIDER), name="other"))


def of_a_newer_format(folder):
    (folder / "registry" / "v0000000002.json").write_text('{"format": 99, "written_by": "9.9"}')


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (broken, "the content was changed after it was written"),
        (empty, "the file is empty"),
        (gone, "the registry holds no version yet"),
        (of_another_project, "belongs to the dbt project 'other' now"),
        (of_a_newer_format, "document format 99"),
    ],
)
def test_a_version_that_cannot_be_served_changes_nothing(folder, spoil, says):
    """R2: a damaged document is never served, and an older one goes on being served by those who have it."""
    with running(folder, "--reload-registry", "0.1") as server:
        assert names(server) == ["customer_id", "orders_7d"]
        spoil(folder)
        wait_for(lambda: says in server.log)
        assert names(server) == ["customer_id", "orders_7d"]
        assert server.log.count(says) == 1, "it is said once, not at each look"
        assert server.get("/ready").status_code == 200


def test_a_registry_that_was_made_anew_under_the_same_number_is_taken_up(folder):
    with running(folder, "--reload-registry", "0.1") as server:
        shutil.rmtree(folder / "registry")
        apply(folder, project(ORDERS, services=WIDER))
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])


def test_a_service_that_is_gone_is_not_found(folder):
    with running(folder, "--reload-registry", "0.1") as server:
        apply(folder, project(ORDERS))
        answer = wait_for(lambda: (found := server.ask(*ASKED)).status_code == 404 and found)
        assert "no feature service 'churn'" in message(answer)


def test_what_is_served_is_settled_and_what_was_served_before_is_forgotten(tmp_path):
    """The garbage collector passes over what stays; a version that no request holds any more does not stay."""
    apply(tmp_path, project(ORDERS, services=SERVICE))
    store = open_online_store("memory:", project="shop", base_dir=tmp_path)
    newest = Newest(config_of(tmp_path, tmp_path), read_latest_document("registry", tmp_path), store)
    try:
        settle()
        assert gc.get_freeze_count() > 0
        newest.now.planned(["orders:spend"], None, full_feature_names=False)
        before = weakref.ref(newest.now)
        apply(tmp_path, project(ORDERS, services=WIDER))
        newest.look()
        assert (newest.now.version, before()) == (2, None)
    finally:
        gc.unfreeze()
        store.close()
