"""A sync that meets a fault, and one made again: all that is served then is the warehouse's answer (O7, P17)."""

from __future__ import annotations

import contextlib
import resource
import subprocess

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.materialize.engines import local
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT
from tests.online.servers import Server, server_binary, start_cluster, start_server, wait_until
from tests.operations.shops import opened

needs_server = pytest.mark.skipif(server_binary() is None, reason="no Redis or Valkey server here")
ROWS = 12_000


class Redis:
    """A server of our own, and what stands before it."""

    def __init__(self, server, before):
        self.server, self.before = server, before

    def uri(self, more=""):
        return f"{self.before.uri}?{PATIENT}{more}"

    def started_again(self):
        """Killed, and started empty in its old place."""
        self.server.stop()
        process = subprocess.Popen(self.server.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.server = Server(process=process, port=self.server.port)
        wait_until(self.answers)

    def answers(self):
        with contextlib.suppress(OSError):
            return self.server.ask("PING") == "PONG" or True
        return False

    def used_bytes(self):
        told = self.server.ask("INFO", "memory").decode().splitlines()
        return int(next(line for line in told if line.startswith("used_memory:")).partition(":")[2])


@pytest.fixture
def redis(tmp_path):
    server = start_server(tmp_path)
    with proxy(server.port) as before:
        made = Redis(server, before)
        yield made
        made.server.stop()


@pytest.fixture(autouse=True)
def many_batches(monkeypatch):
    monkeypatch.setattr(local, "BATCH_ROWS", 500)


def forget_scripts(redis):
    redis.server.ask("SCRIPT", "FLUSH")


def pause(redis):
    redis.server.ask("CLIENT", "PAUSE", 1500, "ALL")


def close_connections(redis):
    redis.before.close_all()


def cut_a_reply(redis):
    redis.before.cuts_reply_after = 3


def say_nothing(redis):
    redis.before.is_silent = True


def fill(redis):
    redis.server.ask("CONFIG", "SET", "maxmemory", redis.used_bytes() + 200_000)


def make_a_replica(redis):
    redis.server.ask("REPLICAOF", "127.0.0.1", 1)


def kill(redis):
    redis.started_again()


def empty(redis):
    redis.server.ask("FLUSHALL")


def mend(redis):
    redis.before.is_silent = False
    redis.before.close_all()
    redis.server.ask("CONFIG", "SET", "maxmemory", 0)
    redis.server.ask("REPLICAOF", "NO", "ONE")


def sync(shop, at_first_rows=lambda: None, **request):
    """Sync the shop; what is to happen happens when its first rows have landed."""
    happened = []

    def told(_rows):
        if not happened:
            happened.append(1)
            at_first_rows()

    result = shop.sync(on_rows=told, **request)
    assert happened
    return result


def add_rows(shop):
    """New ones, and newer ones of the keys that are served."""
    shop.sql(
        "insert into orders select range + 1, '2026-06-20', '2026-06-21', range, range / 4, ['of ' || range]"
        f" from range({ROWS})"
    )


@needs_server
@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        (forget_scripts, None),
        (pause, None),
        (close_connections, None),
        (cut_a_reply, None),
        (say_nothing, "no answer in time"),
        (fill, "is out of memory"),
        (make_a_replica, "is a replica"),
        (kill, "emptied|cannot be used"),
        (empty, "emptied"),
    ],
)
def test_a_sync_made_again_after_a_fault_is_equal_to_the_warehouse(tmp_path, redis, fault, refusal):
    with opened(tmp_path, redis.uri()) as shop:
        shop.sync()
        add_rows(shop)
        if refusal is None:
            assert sync(shop, lambda: fault(redis)).rows_written == ROWS
        else:
            hasty = "&read_timeout=5&connect_timeout=5&write_timeout=5" if fault is say_nothing else ""
            with opened(tmp_path, redis.uri(hasty)) as refused, pytest.raises(OnlineStoreError, match=refusal):
                sync(refused, lambda: fault(redis))
            mend(redis)
            sync(shop)
        found = shop.verify()
        assert (found.problem, found.is_equal, found.rows.equal, found.online_keys) == (None, True, ROWS, ROWS)


@pytest.mark.slow
@needs_server
def test_a_sync_goes_on_through_a_failover_and_a_full_one_is_equal_to_the_warehouse(tmp_path):
    cluster = start_cluster(tmp_path)
    try:
        with opened(tmp_path, f"{cluster.uri}?{PATIENT}&write_timeout=120") as shop:
            shop.sync()
            add_rows(shop)
            assert sync(shop, cluster.kill_master).rows_read == ROWS
            cluster.regain_patience()
            sync(shop, full=True)
            found = shop.verify()
            assert (found.problem, found.is_equal, found.online_keys) == (None, True, ROWS)
    finally:
        cluster.stop()


def test_a_sync_made_again_when_the_disk_has_room_is_equal_to_the_warehouse(tmp_path):
    with opened(tmp_path, "sqlite:deep/online.sqlite") as shop:
        shop.sync()
        add_rows(shop)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        room = (tmp_path / "deep" / "online.sqlite").stat().st_size + 500_000

        def fill_the_disk():
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))

        try:
            with pytest.raises(OnlineStoreError, match=r"full|disk"):
                sync(shop, fill_the_disk)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sync(shop)
        found = shop.verify()
        assert (found.problem, found.is_equal, found.rows.equal) == (None, True, ROWS)
