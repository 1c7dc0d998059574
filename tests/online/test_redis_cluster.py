"""A Redis Cluster that is not whole, that hands over, or whose connections went away while they were idle."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack

import hiredis
import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.redis.slots import slot_of
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT
from tests.online.rows import batch, key, number_in, opened
from tests.online.servers import server_binary, start_cluster, start_server, wait_until

NONE = NO_CREATED_TIME
KEYS = [key(number) for number in range(60)]

pytestmark = pytest.mark.skipif(server_binary() is None, reason="no server of Redis or Valkey is installed here")


@pytest.fixture
def cluster(tmp_path):
    started = start_cluster(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def store(cluster):
    """With a row under each of the keys."""
    cluster.empty()
    made = opened(f"{cluster.uri}?{PATIENT}")
    made.write(batch(*[(each, number, 1, NONE) for number, each in enumerate(KEYS)]))
    assert numbers(made) == list(range(60))
    yield made
    made.close()


def numbers(store):
    return [number_in(row) for row in store.read(KEYS)]


def test_a_cluster_with_slots_that_nobody_has_serves_the_others(tmp_path):
    node = start_server(tmp_path, options=["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"])
    served, other = (next(each for each in KEYS if (slot_of(each) < 8_000) is has) for has in (True, False))
    try:
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 7_999)
        node.ask("CLUSTER", "BUMPEPOCH")
        wait_until(lambda: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"))
        store, hasty = (opened(f"redis+cluster://{node.place}?{PATIENT}{more}") for more in ("", "&write_timeout=2"))
        assert store.write(batch((served, 1, 1, NONE))) == 1
        assert [number_in(row) for row in store.read([served])] == [1]
        assert [number_in(row) for row in asyncio.run(store.aread([served]))] == [1]
        for use in (lambda: store.read([other]), lambda: hasty.write(batch((other, 1, 1, NONE)))):
            with pytest.raises(OnlineStoreError, match="no node of the Cluster has slot"):
                use()
        with pytest.raises(OnlineStoreError, match="some slots of the Cluster have no master"):
            list(hasty.keys(b"fs:shop:"))
        node.ask("CLUSTER", "ADDSLOTSRANGE", 8_000, 16_383)
        assert [each for page in store.keys(b"fs:shop:") for each in page] == [served]
        assert store.read([other]) == [None]
    finally:
        node.stop()


@pytest.mark.slow
def test_connections_that_the_nodes_closed_while_they_were_idle_are_noticed_by_nobody(cluster, store):
    for use in (
        lambda: sum(len(page) for page in store.keys(b"fs:shop:")),
        lambda: store.notes(""),
        lambda: len(store.server_facts()),
        lambda: len(numbers(store)),
    ):
        numbers(store)
        for node in cluster.nodes:
            node.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.05)
        assert use() in (60, [], 3)


@pytest.mark.slow
def test_connections_that_a_firewall_has_forgotten_cost_a_lookup_no_more_than_one_try(cluster):
    """Each node is known by the port of a proxy."""
    with ExitStack() as ends:
        proxies = [ends.enter_context(proxy(node.port)) for node in cluster.nodes]
        for node, before in zip(cluster.nodes, proxies, strict=True):
            node.ask("CONFIG", "SET", "cluster-announce-port", before.port)
        announced = {each.port for each in proxies}
        wait_until(lambda: all(ports_of(node) <= announced for node in cluster.nodes))
        store = opened(f"redis+cluster://{proxies[0].place}?read_timeout=5&connect_timeout=5&breaker_failures=0")
        store.write(batch(*[(each, number, 2, NONE) for number, each in enumerate(KEYS)]))
        at_once(8, lambda: numbers(store), proxies)
        for each in proxies:
            each.forget_all()
        assert [numbers(store) for _ in range(3)] == [list(range(60))] * 3
        store.close()


def ports_of(node):
    return {master[1] for _, _, master, *_ in node.ask("CLUSTER", "SLOTS")}


def at_once(count, do, proxies):
    """In threads, slow enough that each needs connections of its own."""
    for each in proxies:
        each.latency_s = 0.1
    threads = [threading.Thread(target=do) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in proxies:
        each.latency_s = 0.0


@pytest.mark.slow
def test_no_connection_is_kept_to_a_node_that_has_no_slots_any_more(cluster, store):
    old = cluster.master_of(KEYS[0])
    new = next(node for node in cluster.nodes if is_replica_of(node, old))
    assert connections(old)
    wait_until(lambda: takes_over(new))
    wait_until(lambda: old.ask("ROLE")[0] == b"slave")
    wait_until(lambda: all(new.port in ports_of(node) for node in cluster.nodes))
    assert numbers(store) == list(range(60))
    assert sum(len(page) for page in store.keys(b"fs:shop:")) == 60
    wait_until(lambda: not connections(old))


def takes_over(replica):
    """Ask it to; whether it did: not while it has lost sight of its master."""
    try:
        replica.ask("CLUSTER", "FAILOVER")
    except hiredis.ReplyError:
        return is_master(replica)
    given_up_at = time.monotonic() + 6  # the server itself gives up after 5 s
    while not is_master(replica) and time.monotonic() < given_up_at:
        time.sleep(0.02)
    return is_master(replica)


def is_master(node):
    return node.ask("ROLE")[0] == b"master"


def is_replica_of(node, master):
    return node.ask("ROLE")[0] == b"slave" and node.ask("ROLE")[2] == master.port


def connections(node):
    return [line for line in node.ask("CLIENT", "LIST").splitlines() if b"name=featurestore " in line]
