"""Of one server, of a Cluster, of a master that Sentinels name: which is asked how often, in which protocol."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.redis.slots import slot_of
from tests.online.certificates import write_certificate
from tests.online.conftest import PATIENT
from tests.online.rows import batch, key, number_in, opened
from tests.online.servers import (
    MASTER,
    free_ports,
    server_binary,
    start_cluster,
    start_sentinel_process,
    start_server,
    wait_until,
)

NONE = NO_CREATED_TIME
ROWS = [(key(number), number, 1, NONE) for number in range(600)]
KEYS = [each for each, *_ in ROWS]
TRIES = 25
"""A master reads what its replica says every second, too: on a slow machine that is beside most of the questions."""

pytestmark = pytest.mark.skipif(server_binary() is None, reason="no server of Redis or Valkey is installed here")


def numbers(rows):
    return [number_in(row) for row in rows]


def test_resp3_is_spoken(tmp_path):
    server = start_server(tmp_path)
    try:
        store = opened(f"{server.uri}?{PATIENT}")
        store.write(batch(*ROWS))
        assert numbers(store.read(KEYS)) == list(range(600))
        told = [line for line in server.ask("CLIENT", "LIST").decode().splitlines() if "cmd=client" not in line]
        assert told
        assert all(" resp=3 " in f"{line} " for line in told), told
        store.close()
    finally:
        server.stop()


def test_a_lookup_in_a_cluster_is_one_request_per_node_and_one_mget_per_entity(tmp_path):
    """An MGET of several slots is refused by a Cluster; the keys of one entity are in one."""
    cluster = start_cluster(tmp_path)
    try:
        store = opened(f"{cluster.uri}?{PATIENT}")
        entities = [b"{%d}" % number for number in range(60)]
        views = (b"orders", b"clicks", b"visits")
        keys = [b"fs:shop:%s@0:%s" % (view, entity) for entity in entities for view in views]
        store.write(batch(*[(each, number, 1, NONE) for number, each in enumerate(keys)]))
        slots = len({slot_of(each) for each in keys})
        assert 50 < slots <= 60

        def look_up():
            assert numbers(store.read(keys)) == list(range(180))

        async def look_up_on_a_loop():
            await store.aread(keys)
            return [await counted() for _ in range(TRIES)]

        async def counted():
            before = asked(cluster)
            assert numbers(await store.aread(keys)) == list(range(180))
            return asked(cluster) - before

        asking = min(cost(cluster, lambda: None)[0] for _ in range(TRIES))
        look_up()
        for costs in ([cost(cluster, look_up) for _ in range(TRIES)], asyncio.run(look_up_on_a_loop())):
            assert {mgets for _, mgets in costs} == {slots}
            assert min(reads for reads, _ in costs) - asking == 3, "each of three masters is sent one piece"
        store.close()
    finally:
        cluster.stop()


def cost(cluster, look_up):
    before = asked(cluster)
    look_up()
    return asked(cluster) - before


def asked(cluster):
    """How often the masters read from a connection, also for this question, and how many MGETs they ran."""
    told = "\n".join(node.ask("INFO", "everything").decode() for node in cluster.masters())
    reads = sum(map(int, re.findall(r"^total_reads_processed:(\d+)", told, re.MULTILINE)))
    return np.array([reads, sum(map(int, re.findall(r"^cmdstat_mget:calls=(\d+)", told, re.MULTILINE)))])


@contextmanager
def tls_servers(folder, count, *options):
    """Servers that speak TLS to everybody, also among themselves; Debian's can."""
    if server_binary("redis") is None:
        pytest.skip("no redis-server on the PATH")
    with ExitStack() as ends:
        servers = []
        for number, port in enumerate(free_ports(count)):
            own = ["--tls-port", port, *tls_files(folder), *options]
            try:
                server = start_server(folder / f"node{number}", brand="redis", options=own)
            except AssertionError:
                pytest.skip("the redis-server on the PATH is built without TLS")
            ends.callback(server.stop)
            servers.append((server, port))
        yield servers


def tls_files(folder):
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "cert.pem"}
    paths = [each for name, file in files.items() for each in (f"--tls-{name}-file", folder / file)]
    return [*paths, "--tls-auth-clients", "no"]


def use(uri, folder):
    """Write and look up, blocking and on an event loop."""
    store = opened(f"{uri}?{PATIENT}&ssl_ca_certs={folder / 'cert.pem'}")
    assert store.write(batch(*ROWS)) == 600
    assert numbers(store.read(KEYS)) == list(range(600))
    assert numbers(asyncio.run(store.aread(KEYS))) == list(range(600))
    store.write_note("state", b"1")
    assert store.swap_note("state", b"1", b"2")
    store.close()


def test_a_cluster_is_reached_over_tls(tmp_path):
    write_certificate(tmp_path)
    options = ["--cluster-enabled", "yes", "--tls-cluster", "yes"]
    with tls_servers(tmp_path, 3, *options) as servers:
        for number, (node, _) in enumerate(servers):
            last = 16_383 if number == 2 else (number + 1) * 5_461 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", number * 5_461, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "MEET", "127.0.0.1", servers[0][1], servers[0][0].bus)
        wait_until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node, _ in servers))
        wait_until(lambda: all(len(node.ask("CLUSTER", "SLOTS")) == 3 for node, _ in servers))
        use(f"rediss+cluster://127.0.0.1:{servers[0][1]}", tmp_path)


def test_sentinels_and_their_master_are_reached_over_tls(tmp_path):
    write_certificate(tmp_path)
    with tls_servers(tmp_path, 1) as [(_, port)], ExitStack() as ends:
        places = []
        for number, tls_port in enumerate(free_ports(3)):
            files = "\n".join(
                f"{name.removeprefix('--')} {value}"
                for name, value in zip(tls_files(tmp_path)[::2], tls_files(tmp_path)[1::2], strict=True)
            )
            config = tmp_path / f"sentinel{number}.conf"
            config.write_text(
                f"dir {tmp_path}\ntls-port {tls_port}\ntls-replication yes\n{files}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {port} 2\n"
            )
            ends.callback(start_sentinel_process(config, "redis").stop)
            places.append(f"127.0.0.1:{tls_port}")
        use(f"rediss+sentinel://{','.join(places)}/{MASTER}/0", tmp_path)
