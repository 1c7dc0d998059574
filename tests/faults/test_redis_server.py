"""The Redis server itself forgets, is full, is busy, restarts or is not what it was."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hiredis
import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.faults.patience import expect_within, seconds_until_refused
from tests.online.conftest import PATIENT, valkey  # noqa: F401 -- a fixture
from tests.online.rows import answered, batch, key, number_in, opened
from tests.online.servers import Server, start_server, wait_until

NONE = NO_CREATED_TIME


@pytest.fixture
def server(valkey, tmp_path):  # noqa: F811
    """One that the test may break."""
    made = start_server(tmp_path)
    yield made
    made.resume()
    made.stop()


@pytest.fixture
def store(server):
    made = opened(f"{server.uri}?{PATIENT}")
    yield made
    made.close()


@pytest.fixture
def quick(server):
    """Its lookups have the default limits, and no breaker; writes wait for longer than any pause here."""
    made = opened(f"{server.uri}?write_timeout=60&breaker_failures=0")
    yield made
    made.close()


def rows(count, version=1):
    return [(key(number), number, version, NONE) for number in range(count)]


def numbers(store, count):
    return [number_in(row) for row in store.read([key(number) for number in range(count)])]


def test_scripts_that_are_flushed_in_the_middle_of_writing_are_loaded_again(server, store):
    """Again and again, though not before a call has succeeded: a server that forgets at once is given up."""
    done, flushed = threading.Event(), []

    def flush():
        while not done.is_set():
            succeeded = succeeded_calls(server)
            server.ask("SCRIPT", "FLUSH")
            flushed.append(succeeded)
            while succeeded_calls(server) == succeeded and not done.is_set():
                time.sleep(0.002)

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        for version in range(1, 6):
            so_far, some = len(flushed), batch(*rows(20_000, version))
            while len(flushed) < so_far + 3:
                assert thread.is_alive()
                assert store.write(some) == 20_000
    finally:
        done.set()
        thread.join()
    assert numbers(store, 20_000) == list(range(20_000))


def succeeded_calls(server):
    """How often a script was called that the server knew."""
    told = re.search(rb"cmdstat_evalsha:calls=(\d+),.*failed_calls=(\d+)", server.ask("INFO", "commandstats"))
    return 0 if told is None else int(told[1]) - int(told[2])


def test_of_equal_pairs_the_last_one_stays_though_the_script_was_unknown(server, store):
    """O1: calls that were refused go before those that come after them."""
    for _ in range(5):
        server.ask("SCRIPT", "FLUSH")
        server.ask("FLUSHALL", "SYNC")
        store.write(batch(*[(key(1), number, 1, NONE) for number in range(100)] * 20))
        assert numbers(store, 2)[1] == 99


@pytest.mark.parametrize("use", ["write", "fetch"])
def test_a_paused_server_fails_lookups_soon_and_writes_and_what_a_sync_fetches_wait_for_it(server, quick, use):
    quick.write(batch(*rows(10)))
    assert answered(lambda: numbers(quick, 10)) == list(range(10))
    server.pause()
    expect_within(0.4, lambda: seconds_until_refused(lambda: quick.read([key(1)]), r"no (answer|connection) in time"))
    with ThreadPoolExecutor(1) as pool:
        if use == "write":
            waiting, expected = pool.submit(quick.write, batch(*rows(10, 2))), 10
        else:
            waiting, expected = pool.submit(lambda: number_in(quick.fetch([key(1)])[0])), 1
        time.sleep(1)
        assert not waiting.done()
        server.resume()
        assert waiting.result() == expected
    assert answered(lambda: numbers(quick, 10)) == list(range(10))


def test_a_server_with_no_place_for_one_more_client_is_an_error_that_says_so(server, store):
    server.ask("CONFIG", "SET", "maxclients", 2)
    with server.client() as first, server.client() as second:
        first.ping()
        second.ping()
        with pytest.raises(OnlineStoreError, match="has no place for one more client\n  -> raise maxclients"):
            store.read([key(1)])
        with pytest.raises(OnlineStoreError, match="has no place for one more client"):
            store.write(batch(*rows(1)))
    assert answered(lambda: numbers(store, 1)) == [None]


def test_a_full_server_stops_a_write_in_its_middle_what_landed_is_whole_and_a_rerun_finishes(server, store):
    used = int(next(line for line in server.ask("INFO", "memory").splitlines() if b"used_memory:" in line)[12:])
    server.ask("CONFIG", "SET", "maxmemory", used + 1_500_000)
    with pytest.raises(OnlineStoreError, match="is out of memory\n  -> raise maxmemory or free keys, then sync again"):
        store.write(batch(*rows(40_000)))
    landed = numbers(store, 40_000)
    assert 0 < sum(number is not None for number in landed) < 40_000
    assert all(found in {None, number} for number, found in enumerate(landed))
    with pytest.raises(OnlineStoreError, match="is out of memory"):
        store.write(batch(*rows(40_000)), expect_new=True)
    server.ask("CONFIG", "SET", "maxmemory", 0)
    assert store.write(batch(*rows(40_000)), expect_new=True) == 40_000
    assert numbers(store, 40_000) == list(range(40_000))


def test_a_replica_refuses_writes_and_says_what_it_is(server, store, tmp_path, valkey):  # noqa: F811
    store.write(batch(*rows(1)))
    server.ask("REPLICAOF", "127.0.0.1", valkey.port)
    try:
        for use in (
            lambda: store.write(batch(*rows(1, 2))),
            lambda: store.write(batch(*rows(1, 2)), expect_new=True),
            lambda: store.write_note("state", b"1"),
            lambda: store.swap_note("state", None, b"1"),
            lambda: store.take_lease("sync", "me", 60),
        ):
            with pytest.raises(OnlineStoreError, match="is a replica, which takes no writes\n  -> name the master"):
                use()
    finally:
        server.ask("REPLICAOF", "NO", "ONE")


def test_a_server_that_reads_its_data_from_disk_is_waited_for_by_writes_alone(server):
    store = opened(f"{server.uri}?{PATIENT}")
    store.write(batch(*rows(1_500)))
    server.ask("SAVE")
    server.stop()
    # 20 ms for each row, so 30 s, unless it is told to hurry; it answers whenever it has read a kilobyte
    again = restarted(server, ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"])
    try:
        with pytest.raises(OnlineStoreError, match="is still reading its data from disk\n  -> wait a moment"):
            store.read([key(1)])
        with ThreadPoolExecutor(1) as pool:
            landing = pool.submit(store.write, batch(*rows(2_000, 2)))
            time.sleep(0.2)
            assert not landing.done()
            again.ask("CONFIG", "SET", "key-load-delay", 0)
            assert landing.result() == 2_000
        assert numbers(store, 2_000) == list(range(2_000))
    finally:
        again.stop()
        store.close()


def restarted(server, options=()):
    """Start it once more, on the same port and folder."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*server.process.args, *options], stdout=quiet, stderr=quiet)
    again = Server(process=process, port=server.port)
    wait_until(lambda: answers_anything(again))
    return again


def answers_anything(server):
    """Whether it runs, though it may be loading."""
    try:
        server.ask("PING")
    except hiredis.ReplyError:
        return True
    except OSError:
        return False
    return True


def test_a_process_without_a_free_descriptor_writes_on_the_connections_that_it_has(server, store):
    store.write(batch(*rows(1)))
    limits, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 20, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        assert held
        assert store.write(batch(*rows(1, 2))) == 1
        assert store.read_note("state") is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in held:
            os.close(each)


def test_a_script_of_somebody_else_that_does_not_end_is_waited_for_by_writes_alone(server, store):
    store.write(batch(*rows(3)))
    server.ask("CONFIG", "SET", "lua-time-limit", 50)
    endless = threading.Thread(target=run_endless, args=(server,))
    endless.start()
    wait_until(lambda: is_busy(server))
    with pytest.raises(OnlineStoreError, match="runs a script that takes too long\n  -> see whose it is: SCRIPT KILL"):
        store.read([key(1)])
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(store.write, batch(*rows(3, 2)))
        time.sleep(0.2)
        assert not landing.done()
        server.ask("SCRIPT", "KILL")
        assert landing.result() == 3
    endless.join()


def run_endless(server):
    with pytest.raises(hiredis.ReplyError, match="killed"):
        server.ask("EVAL", "while true do end", 0)


def is_busy(server):
    try:
        server.ask("GET", "x")
    except hiredis.ReplyError:
        return True
    return False


def test_a_walk_over_keys_that_meets_another_server_is_an_error_and_not_a_short_answer(server, store):
    """A server that was restarted has its keys in another order: some would be passed over."""
    store.write(batch(*rows(5_000)))
    pages = store.keys(b"fs:shop:orders@0:{")
    next(pages)
    server.stop()
    again = restarted(server)
    try:
        with pytest.raises(OnlineStoreError, match="was restarted or replaced while its keys were walked"):
            list(pages)
        assert list(store.keys(b"fs:shop:orders@0:{")) == []
    finally:
        again.stop()


def test_a_server_that_was_killed_and_came_back_empty_is_used_again(server, store):
    """O8: nothing is answered from before."""
    store.write(batch(*rows(10)))
    store.write_note("generation", b"x")
    assert numbers(store, 10) == list(range(10))
    server.stop()
    with pytest.raises(OnlineStoreError):
        store.read([key(1)])
    again = restarted(server)
    try:
        assert numbers(store, 10) == [None] * 10
        assert store.read_note("generation") is None
        assert store.write(batch(*rows(10))) == 10
    finally:
        again.stop()


def test_a_server_whose_disk_is_full_says_so(server, store, tmp_path):
    server.ask("CONFIG", "SET", "save", "3600 1")
    (tmp_path / "dump.rdb").mkdir()
    server.ask("SET", "x", "1")
    server.ask("BGSAVE")
    wait_until(lambda: b"rdb_last_bgsave_status:err" in server.ask("INFO", "persistence"))
    with pytest.raises(OnlineStoreError, match="takes no writes because it cannot save to disk"):
        store.write(batch(*rows(1)))
