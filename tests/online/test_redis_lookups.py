"""Lookups in Redis when the server hangs, is gone, or is asked by many at once: by threads and forks."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT, empty_store_uri
from tests.online.racers import exit_code_within, in_a_fork
from tests.online.rows import answered, batch, key, number_in, opened
from tests.online.servers import start_server, wait_until

NONE = NO_CREATED_TIME


@pytest.fixture
def uri(request, tmp_path):
    return empty_store_uri("redis", request, tmp_path)


@pytest.fixture
def own_server(valkey, tmp_path):
    """A server that the test may break."""
    server = start_server(tmp_path)
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def open_filled(own_server):
    """A function that opens a store with a hundred rows in a server that the test may break."""
    opened_ones = []

    def open_one(options=""):
        with closing(opened(f"{own_server.uri}?{PATIENT}")) as patient:
            patient.write(batch(*[(key(number), number, 1, NONE) for number in range(100)]))
        store = opened(f"{own_server.uri}{options}")
        opened_ones.append(store)
        if "breaker_pause=60" not in options:  # then a few lookups that a busy machine fails would shut it for a minute
            assert patiently(store, key(1)) == 1
        return store

    yield open_one
    for each in opened_ones:
        each.close()


@pytest.fixture
def filled(open_filled):
    """One with the default limits."""
    return open_filled()


def patiently(store, wanted):
    return number_in(answered(lambda: store.read([wanted]))[0])


def seconds_of(lookup):
    before = time.perf_counter()
    with pytest.raises(OnlineStoreError) as problem:
        lookup()
    return time.perf_counter() - before, str(problem.value)


def fastest_of(lookup):
    """The machine may be busy: the fastest of ten says what the lookup itself costs."""
    return min(seconds_of(lookup)[0] for _ in range(10))


def seconds_while_hung(store, server):
    """Of a lookup on a connection that was well before."""
    patiently(store, key(1))
    server.pause()
    took, _ = seconds_of(lambda: store.read([key(1)]))
    server.resume()
    return took


def test_a_hung_server_costs_a_lookup_at_most_200_ms_and_then_microseconds(open_filled, own_server):
    store = open_filled("?breaker_failures=0")
    assert 0.05 < min(seconds_while_hung(store, own_server) for _ in range(12)) < 0.2
    store = open_filled("?breaker_pause=60")
    own_server.pause()
    for _ in range(5):
        assert f"127.0.0.1:{own_server.port} cannot be used: no " in seconds_of(lambda: store.read([key(1)]))[1]
    assert fastest_of(lambda: store.read([key(1)])) < 0.005, "the breaker is open"
    _, said = seconds_of(lambda: store.read([key(1)]))
    assert "does not answer: the last 5 tries failed, so none was made since 20" in said
    assert " UTC but one every 60 s\n  -> is the server running" in said


def test_one_lookup_tries_again_when_the_pause_is_over_and_lets_the_others_through(filled, own_server):
    own_server.pause()
    for _ in range(5):
        seconds_of(lambda: filled.read([key(1)]))
    time.sleep(1.05)
    assert seconds_of(lambda: filled.read([key(1)]))[0] > 0.05, "this one tried"
    assert any("does not answer" in seconds_of(lambda: filled.read([key(1)]))[1] for _ in range(10)), "the next did not"
    own_server.resume()
    time.sleep(1.05)
    for number in range(20):
        assert patiently(filled, key(number)) == number


def test_the_breaker_can_be_shut_off_and_set(own_server):
    store = opened(f"{own_server.uri}?breaker_failures=0&read_timeout=0.01&connect_timeout=0.01")
    own_server.pause()
    for _ in range(8):
        assert "cannot be used" in seconds_of(lambda: store.read([key(1)]))[1]
    store.close()
    store = opened(f"{own_server.uri}?breaker_failures=1&breaker_pause=60&connect_timeout=0.01")
    seconds_of(lambda: store.read([key(1)]))
    assert "the last 1 tries failed" in seconds_of(lambda: store.read([key(1)]))[1]
    store.close()


def test_writes_and_notes_have_no_breaker(open_filled, own_server):
    store = open_filled("?breaker_pause=60")
    own_server.pause()
    for _ in range(6):
        seconds_of(lambda: store.read([key(1)]))
    own_server.resume()
    assert "does not answer" in seconds_of(lambda: store.read([key(1)]))[1]
    assert answered(lambda: store.read_note("generation")) is None
    assert answered(lambda: store.write(batch((key(1), 2, 2, NONE)))) == 1


def test_a_late_answer_is_never_handed_to_the_next_question(filled, own_server):
    for number in range(8):
        own_server.pause()
        seconds_of(lambda number=number: filled.read([key(number)]))
        own_server.resume()
        assert patiently(filled, key(99 - number)) == 99 - number


def test_connections_that_the_server_closed_are_noticed_by_none_of_many_threads(uri, valkey):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(20)]))
    failures = []

    def read(number):
        failures.extend(number for _ in range(50) if number_in(store.read([key(number)])[0]) != number)

    def in_threads():
        threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for _ in range(3):
        in_threads()
        with valkey.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
    in_threads()
    assert failures == []
    store.close()


def test_there_are_never_more_connections_than_allowed(uri, valkey):
    store = opened(f"{uri}&max_connections=2")
    store.write(batch((key(1), 1, 1, NONE)))
    threads = [threading.Thread(target=lambda: [store.read([key(1)]) for _ in range(200)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    with valkey.client() as client:
        most = 0
        while any(thread.is_alive() for thread in threads):
            most = max(most, sum(each["name"] == "featurestore" for each in client.client_list()))
    assert most <= 3, "two for lookups, and the one that wrote"
    store.close()


def test_who_finds_no_free_connection_waits_a_moment_and_is_told_so(valkey):
    with proxy(valkey.port) as before:
        store = opened(f"{before.uri}?max_connections=1&read_timeout=60&breaker_failures=0")
        answered(lambda: store.read([key(1)]))
        before.is_silent, calls = True, before.calls
        first = threading.Thread(target=lambda: answered(lambda: store.read([key(1)])))
        first.start()
        wait_until(lambda: before.calls > calls)
        assert 0.09 < fastest_of(lambda: store.read([key(1)])) < 0.5
        _, said = seconds_of(lambda: store.read([key(1)]))
        assert "is busy: all 1 connections are in use\n  -> raise max_connections" in said
        before.is_silent = False
        before.close_all()
        first.join()
        store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_no_connection_of_its_parent(uri, valkey):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(50)]))
    asyncio.run(store.aread([key(1)]))
    context = multiprocessing.get_context("fork")
    is_done, may_end = context.Event(), context.Event()

    def child():
        assert [number_in(store.read([key(number)])[0]) for number in range(50)] == list(range(50))
        assert number_in(asyncio.run(store.aread([key(3)]))[0]) == 3
        assert store.write(batch((key(60), 1, 1, NONE))) == 1
        is_done.set()
        assert may_end.wait(300)

    with valkey.client() as client:
        before = ids(client)
        pid = in_a_fork(child)
        was_right = is_done.wait(240)
        made = ids(client) - before
        found = [number_in(store.read([key(number)])[0]) for number in range(50)]
        may_end.set()
        assert exit_code_within(120, pid) == 0
        assert was_right
        assert len(made) >= 2, "the child has made its own"
        assert found == list(range(50))
        assert before <= ids(client), "the child has closed none of its parent's"
        assert number_in(store.read([key(7)])[0]) == 7
    store.close()


def ids(client):
    return {each["id"] for each in client.client_list() if each["name"] == "featurestore"}


def test_a_blocking_lookup_loads_neither_redis_py_nor_asyncio_nor_arrow(uri):
    code = f"""
import sys
from pathlib import Path
from featurestore.online.open import open_online_store
store = open_online_store({uri!r}, project="shop", base_dir=Path())
assert store.read([b"fs:shop:v@0:{{1}}"], ["generation"]) == [None, None]
print(sorted({{"redis", "asyncio", "ssl", "pyarrow", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
