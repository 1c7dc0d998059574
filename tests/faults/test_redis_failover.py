"""A master is killed, hangs, or hands over slots, while four writers push and one reader looks up.

What asynchronous replication loses is the known exception: an acknowledged write that the new master had not got.
A sync after it brings everything back, and then no key is older than what was acknowledged.
"""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.redis.slots import slot_of
from tests.faults.patience import in_threads, seconds_of
from tests.online.conftest import PATIENT
from tests.online.rows import aanswered, answered, batch, key, number_in, opened
from tests.online.servers import server_binary, slots_of, start_cluster, start_sentinel, wait_until

NONE = NO_CREATED_TIME
KEYS, WRITERS = 400, 4
PATIENT_WRITES = "write_timeout=120"
"""Sentinels that notice that their machine stood still do nothing for half a minute."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(server_binary() is None, reason="no server of Redis or Valkey is installed here"),
]


@pytest.fixture(params=["cluster", "sentinel"])
def servers(request, tmp_path):
    start = {"cluster": start_cluster, "sentinel": start_sentinel}[request.param]
    started = start(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def cluster(tmp_path):
    started = start_cluster(tmp_path)
    yield started
    started.stop()


class Traffic:
    """Writers that push ever newer versions of their keys, and a reader that checks that none goes back."""

    def __init__(self, uri):
        self.store = opened(uri)
        self.acknowledged = [0] * KEYS
        self.write_errors, self.read_errors, self.wrong = [], [], []
        self.gaps = [0.0]
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        self._threads.append(threading.Thread(target=self._read))

    def __enter__(self):
        self.store.write(batch(*[(key(number), 0, 0, NONE) for number in range(KEYS)]))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *problem):
        self._done.set()
        for thread in self._threads:
            thread.join(300)
            assert not thread.is_alive()

    def _write(self, writer):
        mine = range(writer, KEYS, WRITERS)
        version = 0
        while not self._done.is_set():
            version += 1
            before = time.monotonic()
            try:
                self.store.write(batch(*[(key(number), version, version, NONE) for number in mine]))
            except OnlineStoreError as problem:
                self.write_errors.append(str(problem))
                continue
            self.gaps.append(time.monotonic() - before)
            for number in mine:
                self.acknowledged[number] = version

    def _read(self):
        while not self._done.is_set():
            expected = list(self.acknowledged)
            try:
                found = self.store.read([key(number) for number in range(KEYS)])
            except OnlineStoreError as problem:
                self.read_errors.append(str(problem))
                continue
            versions = [number_in(row) for row in found]
            self.wrong += [
                (number, seen, least)
                for number, (seen, least) in enumerate(zip(versions, expected, strict=True))
                if seen is None or seen < least
            ]

    def numbers(self):
        return numbers_of(self.store, [key(number) for number in range(KEYS)])


def test_writes_survive_the_death_of_a_master_and_a_sync_repairs_what_replication_lost(servers):
    with Traffic(f"{servers.uri}?{PATIENT_WRITES}") as traffic:
        time.sleep(0.5)
        assert traffic.wrong == []
        servers.kill_master()
        seen = list(traffic.acknowledged)
        wait_until(lambda: all(now > before for now, before in zip(traffic.acknowledged, seen, strict=True)))
        time.sleep(0.5)
    assert traffic.write_errors == [], "every writer waited for the new master"
    assert 0.5 < max(traffic.gaps) < 100
    assert all("cannot be used" in said or "does not answer" in said or "slots" in said for said in traffic.read_errors)
    servers.regain_patience()
    resync = [(key(number), version, version, NONE) for number, version in enumerate(traffic.acknowledged)]
    traffic.store.write(batch(*resync))
    found = traffic.numbers()
    assert all(seen >= least for seen, least in zip(found, traffic.acknowledged, strict=True))
    traffic.store.close()


def test_a_master_that_hangs_is_replaced_and_what_it_says_afterwards_counts_no_more(servers):
    """Lookups find the new one by themselves, with many idle connections to the old one and the breaker open."""
    store = opened(f"{servers.uri}?read_timeout=0.3&connect_timeout=0.3&{PATIENT_WRITES}")
    keys = [key(number) for number in range(KEYS)]
    store.write(batch(*[(each, 1, 1, NONE) for each in keys]))
    in_threads(20, lambda: [seconds_of(lambda: store.read(keys)) for _ in range(5)])
    hung = servers.master_of(key(1)) if hasattr(servers, "master_of") else servers.master()
    with hung.client() as client:
        client.set(key(1), client.get(key(1)))
        assert client.wait(1, 30_000) == 1, "its replica has what was written so far"
    servers.lose_patience()
    landed = []
    writer = threading.Thread(target=lambda: landed.append(store.write(batch(*[(each, 2, 2, NONE) for each in keys]))))
    found = asyncio.run(look_up_through(store, keys, hung, writer))
    assert all(number_in(row) in {1, 2} for rows in found for row in rows)
    writer.join(300)
    assert landed[0] >= KEYS
    hung.resume()
    time.sleep(1)
    servers.regain_patience()
    assert store.write(batch(*[(each, 3, 3, NONE) for each in keys])) >= KEYS
    assert numbers_of(store, keys) == [3] * KEYS
    store.close()


async def look_up_through(store, keys, hung, writer):
    """Pause a master, begin to write, and look up both ways until both are answered."""
    found = [await aanswered(lambda: store.aread(keys))]
    hung.pause()
    writer.start()

    async def blocking():
        return store.read(keys)

    return [*found, await aanswered(blocking), await aanswered(lambda: store.aread(keys))]


def numbers_of(store, keys):
    return [number_in(row) for row in answered(lambda: store.read(keys))]


def test_slots_move_while_rows_are_written_and_read_and_nobody_notices(cluster):
    source, target = cluster.masters()[:2]
    slots = sorted({slot_of(key(number)) for number in range(KEYS)} & slots_of(source))
    with Traffic(f"{cluster.uri}?{PATIENT}") as traffic:
        time.sleep(0.2)
        for slot in slots[:60]:
            move(cluster, slot, source, target)
        time.sleep(0.2)
    assert len(slots) > 60
    assert (traffic.write_errors, traffic.read_errors, traffic.wrong) == ([], [], [])
    assert [seen >= least for seen, least in zip(traffic.numbers(), traffic.acknowledged, strict=True)] == [True] * KEYS
    traffic.store.close()


def test_a_slot_that_is_half_moved_is_read_and_written_key_by_key(cluster):
    source, target = cluster.masters()[:2]
    of_source = slots_of(source)
    entity = next(number for number in range(1_000) if slot_of(key(number)) in of_source)
    slot = slot_of(key(entity))
    views = [b"fs:shop:view%d@0:{%d}" % (view, entity) for view in range(6)]
    store = opened(f"{cluster.uri}?{PATIENT}")
    store.write(batch(*[(each, number, 1, NONE) for number, each in enumerate(views[:5])]))
    begin_move(slot, source, target)
    source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *views[:2])
    assert [number_in(row) for row in store.read(views)] == [0, 1, 2, 3, 4, None]
    assert [number_in(row) for row in asyncio.run(store.aread(views))] == [0, 1, 2, 3, 4, None]
    assert store.write(batch(*[(each, number + 10, 2, NONE) for number, each in enumerate(views)])) == 6
    assert store.write(batch(*[(each, -1, 1, NONE) for each in views]), expect_new=True) == 0
    assert [number_in(row) for row in store.read(views)] == [10, 11, 12, 13, 14, 15]
    assert all(store.sizes(views))
    assert store.delete(views[::2]) == 3
    end_move(cluster, slot, source, target)
    assert [number_in(row) for row in store.read(views)] == [None, 11, None, 13, None, 15]
    assert sorted(each for page in store.keys(b"fs:shop:view") for each in page) == sorted(views[1::2])
    store.close()


def test_nodes_that_have_no_name_are_asked_where_the_others_are(cluster):
    """Then a redirection says ``?:port``."""
    source, target = cluster.masters()[:2]
    of_source = slots_of(source)
    numbers = [number for number in range(KEYS) if slot_of(key(number)) in of_source]
    store = opened(f"{cluster.uri}?{PATIENT}")
    store.write(batch(*[(key(number), number, 1, NONE) for number in numbers]))
    for node in cluster.nodes:
        node.ask("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
    asked, moved = key(numbers[0]), key(numbers[1])
    move(cluster, slot_of(moved), source, target)
    assert number_in(store.read([moved])[0]) == numbers[1]
    begin_move(slot_of(asked), source, target)
    source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", asked)
    assert number_in(store.read([asked])[0]) == numbers[0]
    assert store.write(batch((asked, 7, 2, NONE))) == 1
    assert number_in(asyncio.run(store.aread([asked]))[0]) == 7
    end_move(cluster, slot_of(asked), source, target)
    store.close()


def begin_move(slot, source, target):
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))


def end_move(cluster, slot, source, target):
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *keys)
    name = target.ask("CLUSTER", "MYID")
    for node in (target, source, *[each for each in cluster.masters() if each not in (source, target)]):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", name)


def move(cluster, slot, source, target):
    """Move a slot with its keys, as redis-cli does."""
    begin_move(slot, source, target)
    end_move(cluster, slot, source, target)
