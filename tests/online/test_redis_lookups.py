"""Lookups in Redis when the server hangs, is gone, or is asked by many at once: by threads, forks and event loops."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.conftest import empty_store_uri
from tests.online.rows import batch, key, number_in, opened
from tests.online.servers import start_server

NONE = NO_CREATED_TIME


@pytest.fixture
def uri(request, tmp_path):
    """With time enough for a busy machine."""
    return f"{empty_store_uri('redis', request, tmp_path)}&connect_timeout=5"


@pytest.fixture
def own_server(valkey, tmp_path):
    """A server that the test may break."""
    server = start_server(tmp_path)
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def filled(own_server):
    """A store with a hundred rows in a server that the test may break, with the default limits."""
    store = opened(own_server.uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(100)]))
    assert patiently(store, key(1)) == 1
    yield store
    store.close()


def patiently(store, wanted):
    """The row's number; errors are tried again, since the machine may be busy, wrong answers are not."""
    until = time.monotonic() + 10
    while True:
        try:
            return number_in(store.read([wanted])[0])
        except OnlineStoreError:
            assert time.monotonic() < until


def seconds_of(lookup):
    before = time.perf_counter()
    with pytest.raises(OnlineStoreError) as problem:
        lookup()
    return time.perf_counter() - before, str(problem.value)


def fastest_of(lookup):
    """The machine may be busy: the fastest of three says what the lookup itself costs."""
    return min(seconds_of(lookup)[0] for _ in range(3))


async def afailing(store):
    with pytest.raises(OnlineStoreError) as problem:
        await store.aread([key(1)])
    return str(problem.value)


def test_a_hung_server_costs_a_lookup_at_most_200_ms_and_then_microseconds(filled, own_server):
    own_server.pause()
    assert 0.05 < fastest_of(lambda: filled.read([key(1)])) < 0.2
    for _ in range(2):
        assert f"127.0.0.1:{own_server.port} cannot be used: no " in seconds_of(lambda: filled.read([key(1)]))[1]
    assert fastest_of(lambda: filled.read([key(1)])) < 0.005, "the breaker is open"
    _, said = seconds_of(lambda: filled.read([key(1)]))
    assert "does not answer: the last 5 tries failed, so none was made since 20" in said
    assert " UTC but one every 1 s\n  -> is the server running" in said


def test_one_lookup_tries_again_when_the_pause_is_over_and_lets_the_others_through(filled, own_server):
    own_server.pause()
    for _ in range(5):
        seconds_of(lambda: filled.read([key(1)]))
    time.sleep(1.05)
    assert seconds_of(lambda: filled.read([key(1)]))[0] > 0.05, "this one tried"
    assert "does not answer" in seconds_of(lambda: filled.read([key(1)]))[1], "the next did not"
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


def test_writes_and_notes_have_no_breaker(filled, own_server):
    own_server.pause()
    for _ in range(6):
        seconds_of(lambda: filled.read([key(1)]))
    own_server.resume()
    assert "does not answer" in seconds_of(lambda: filled.read([key(1)]))[1]
    assert filled.read_note("generation") is None
    assert filled.write(batch((key(1), 2, 2, NONE))) == 1


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


def test_who_finds_no_free_connection_waits_a_moment_and_is_told_so(own_server):
    store = opened(f"{own_server.uri}?max_connections=1&read_timeout=1&breaker_failures=0")
    store.read([key(1)])
    own_server.pause()
    first = threading.Thread(target=lambda: seconds_of(lambda: store.read([key(1)])))
    first.start()
    time.sleep(0.1)
    took, said = seconds_of(lambda: store.read([key(1)]))
    assert 0.09 < took < 0.5
    assert "is busy: all 1 connections are in use\n  -> raise max_connections" in said
    first.join()
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_no_connection_of_its_parent(uri, valkey):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(50)]))
    asyncio.run(store.aread([key(1)]))
    with valkey.client() as client:
        before = ids(client)
        pid = os.fork()
        if not pid:
            right = all(number_in(store.read([key(number)])[0]) == number for number in range(50))
            right = right and number_in(asyncio.run(store.aread([key(3)]))[0]) == 3
            right = right and store.write(batch((key(60), 1, 1, NONE))) == 1
            time.sleep(0.3)
            os._exit(0 if right else 1)
        time.sleep(0.2)
        assert len(ids(client) - before) >= 2, "the child has made its own"
        assert [number_in(store.read([key(number)])[0]) for number in range(50)] == list(range(50))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
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


def test_lookups_of_an_event_loop_share_one_connection_and_each_gets_its_answer(uri, valkey):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(500)]))
    with valkey.client() as client:
        before = ids(client)

        async def many():
            asked = [[key(number), key(499 - number), key(number)] for number in range(500)]
            answers = await asyncio.gather(*[store.aread(keys) for keys in asked])
            return answers, ids(client) - before

        answers, made = asyncio.run(many())
    assert [[number_in(row) for row in rows] for rows in answers] == [[n, 499 - n, n] for n in range(500)]
    assert len(made) == 1
    store.close()


def test_uvloop_is_an_event_loop_too(uri):
    uvloop = pytest.importorskip("uvloop")
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(100)]))

    async def many():
        return await asyncio.gather(*[store.aread([key(number)]) for number in range(100)])

    for _ in range(2):
        loop = uvloop.new_event_loop()
        answers = loop.run_until_complete(many())
        loop.close()
        assert [number_in(row) for (row,) in answers] == list(range(100))
    store.close()


def test_two_event_loops_in_two_threads_have_a_connection_each(uri):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(100)]))
    found = {}

    async def read_on(name):
        found[name] = [number_in((await store.aread([key(number)]))[0]) for number in range(100)]

    threads = [threading.Thread(target=lambda name=name: asyncio.run(read_on(name))) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: list(range(100)) for name in range(3)}
    store.close()


def test_the_connection_of_an_event_loop_that_ended_is_closed(uri, valkey):
    store = opened(uri)
    with valkey.client() as client:
        before = len(ids(client))
        for _ in range(5):
            asyncio.run(store.aread([key(1)]))
            gc.collect()
        assert len(ids(client)) - before <= 1, "at most that of the last one is left"
        store.close()
        gc.collect()
        until = time.monotonic() + 5
        while len(ids(client)) > before and time.monotonic() < until:
            time.sleep(0.01)
        assert len(ids(client)) == before


def test_a_store_that_is_closed_while_a_loop_waits_ends_its_wait(filled, own_server):
    async def close_meanwhile():
        await filled.aread([key(1)])
        own_server.pause()
        waiting = asyncio.ensure_future(filled.aread([key(1)]))
        await asyncio.sleep(0.01)
        filled.close()
        with pytest.raises(OnlineStoreError):
            await waiting
        own_server.resume()
        return await filled.aread([key(2)])

    assert number_in(asyncio.run(close_meanwhile())[0]) == 2


def test_a_hung_server_costs_all_lookups_of_a_loop_no_more_than_one(filled, own_server):
    async def all_at_once():
        await filled.aread([key(1)])
        own_server.pause()
        before = time.perf_counter()
        said = await asyncio.gather(*[afailing(filled) for _ in range(100)])
        took = time.perf_counter() - before
        before = time.perf_counter()
        said += [await afailing(filled)]
        return took, time.perf_counter() - before, said

    took, after, said = asyncio.run(all_at_once())
    assert 0.05 < took < 0.5
    assert after < 0.05
    assert "does not answer" in said[-1]
    own_server.resume()
    time.sleep(1.05)
    assert number_in(asyncio.run(filled.aread([key(5)]))[0]) == 5


def test_a_loop_has_a_bounded_number_of_lookups_under_way(own_server):
    store = opened(f"{own_server.uri}?max_requests=3&read_timeout=1&breaker_failures=0")
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(100)]))

    async def hung():
        await store.aread([key(1)])
        own_server.pause()
        waiting = [asyncio.ensure_future(store.aread([key(1)])) for _ in range(3)]
        await asyncio.sleep(0.02)
        said = await afailing(store)
        own_server.resume()
        return said, await asyncio.gather(*waiting)

    said, answers = asyncio.run(hung())
    assert "is busy: 3 lookups are under way\n  -> raise max_connections or max_requests" in said
    assert [number_in(row) for (row,) in answers] == [1, 1, 1]

    async def many():
        return await asyncio.gather(*[store.aread([key(number)]) for number in range(100)])

    assert [number_in(row) for (row,) in asyncio.run(many())] == list(range(100)), "more than three wait their turn"
    store.close()


def test_a_connection_of_a_loop_that_the_server_closed_is_opened_again(uri, valkey):
    store = opened(uri)
    store.write(batch(*[(key(number), number, 1, NONE) for number in range(50)]))

    async def killed_now_and_then():
        found = []
        for number in range(50):
            if number % 10 == 5:
                with valkey.client() as client:
                    client.client_kill_filter(_type="normal", skipme=True)
            found += await asyncio.gather(*[store.aread([key(number)]) for _ in range(3)])
        return [number_in(row) for (row,) in found]

    assert asyncio.run(killed_now_and_then()) == [number for number in range(50) for _ in range(3)]
    store.close()
