"""A server whose registry is in a bucket: it takes up newer versions, and lives on while the bucket is away."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from featurestore.registry.document import ManifestFacts
from featurestore.registry.read import open_registry
from featurestore.serving import open_client
from tests.server.running import running, wait_for
from tests.serving.conftest import project, sync, view

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("registry buckets")]

URI = "s3://models/registry"
ORDERS = view()
SERVICE = (("churn", ("orders:orders_7d",)),)
WIDER = (("churn", ("orders:orders_7d", "orders:spend")),)


def apply(services, expected=None):
    open_registry(URI, Path()).apply(project(ORDERS, services=services), ManifestFacts(), expected=expected)


def names(server):
    return list(server.values("churn", {"customer_id": [1]}))


@pytest.fixture
def folder(tmp_path, s3, monkeypatch):
    monkeypatch.setenv("FEATURESTORE_CACHE_DIR", str(tmp_path / "cache"))
    apply(SERVICE)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=tmp_path)
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    store.close()
    return tmp_path


def test_a_server_outlives_its_registry_and_even_starts_without(folder, faults):
    serve = ("--registry", URI, "--reload-registry", "0.2")
    with running(folder, *serve) as server:
        assert names(server) == ["customer_id", "orders_7d"]
        apply(WIDER, 1)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])
        faults.statuses["GET"] = ["always 503"]
        wait_for(lambda: "serving registry version 2 on: s3://models/registry: cannot read the registry" in server.log)
        assert names(server) == ["customer_id", "orders_7d", "spend"]
        assert server.get("/ready").status_code == 200
    with running(folder, *serve) as server:
        assert names(server) == ["customer_id", "orders_7d", "spend"]
        assert "version 2, as it was " in server.log
        assert "ago, is used: s3://models/registry: cannot read the registry: the store answered SlowDown" in server.log
        faults.statuses.clear()
        apply(SERVICE, 2)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d"])


def test_within_its_time_only_sighup_takes_a_newer_version_up(folder):
    environment = {"FEATURESTORE_REGISTRY_CACHE": "1h"}
    with running(folder, "--registry", URI, "--reload-registry", "0.1", environment=environment) as server:
        apply(WIDER, 1)
        assert names(server) == ["customer_id", "orders_7d"]
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: names(server) == ["customer_id", "orders_7d", "spend"])


def test_a_client_reads_a_registry_in_a_bucket(folder):
    with open_client(folder, registry=URI, online_store="sqlite:online.sqlite") as client:
        found = client.get_online_features(entity_rows=[{"customer_id": 1}], feature_service="churn").to_dict()
    assert found == {"customer_id": [1], "orders_7d": [3]}
