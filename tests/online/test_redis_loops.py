"""Lookups in Redis from event loops: connections, turns, and a server that hangs."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.rows import aanswered, batch, key, number_in, opened
from tests.online.servers import wait_until
from tests.online.test_redis_lookups import filled, ids, open_filled, own_server, uri

NONE = NO_CREATED_TIME
__all__ = ["filled", "open_filled", "own_server", "uri"]  # fixtures


async def afailing(store):
    with pytest.raises(OnlineStoreError) as problem:
        await store.aread([key(1)])
    return str(problem.value)


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
        before = ids(client)
        for _ in range(5):
            asyncio.run(store.aread([key(1)]))
            gc.collect()
        wait_until(lambda: len(ids(client) - before) <= 1, otherwise="at most that of the last one is left")
        store.close()
        gc.collect()
        wait_until(lambda: ids(client) <= before)


def test_a_store_that_is_closed_while_a_loop_waits_ends_its_wait(open_filled, own_server):
    """For a minute it would wait on this connection; it gets no other one."""
    store = open_filled("?read_timeout=60&connect_timeout=1")

    async def close_meanwhile():
        await aanswered(lambda: store.aread([key(1)]))
        own_server.pause()
        waiting = asyncio.ensure_future(store.aread([key(1)]))
        await asyncio.sleep(0.01)
        store.close()
        with pytest.raises(OnlineStoreError):
            await asyncio.wait_for(waiting, 50)
        own_server.resume()
        return await aanswered(lambda: store.aread([key(2)]))

    assert number_in(asyncio.run(close_meanwhile())[0]) == 2


def test_a_hung_server_costs_all_lookups_of_a_loop_no_more_than_one(open_filled, own_server):
    store = open_filled("?breaker_failures=0")

    async def all_at_once():
        await aanswered(lambda: store.aread([key(1)]))
        own_server.pause()
        before = time.perf_counter()
        await asyncio.gather(*[afailing(store) for _ in range(100)])
        took = time.perf_counter() - before
        own_server.resume()
        return took

    assert 0.05 < min(asyncio.run(all_at_once()) for _ in range(10)) < 0.5


def test_lookups_of_a_loop_have_the_breaker_too(filled, own_server):
    async def when_all_have_failed():
        await aanswered(lambda: filled.aread([key(1)]))
        own_server.pause()
        await asyncio.gather(*[afailing(filled) for _ in range(100)])
        found = []
        for _ in range(10):
            before = time.perf_counter()
            said = await afailing(filled)
            found.append((time.perf_counter() - before, said))
        return found

    tries = asyncio.run(when_all_have_failed())
    assert any("does not answer" in said for _, said in tries), "but one every second"
    assert min(took for took, _ in tries) < 0.05
    own_server.resume()
    time.sleep(1.05)
    assert number_in(asyncio.run(aanswered(lambda: filled.aread([key(5)])))[0]) == 5


def test_a_loop_has_a_bounded_number_of_lookups_under_way(open_filled, own_server):
    store = open_filled("?max_requests=3&connect_timeout=1&read_timeout=60&breaker_failures=0")

    async def hung():
        await aanswered(lambda: store.aread([key(1)]))
        own_server.pause()
        waiting = [asyncio.ensure_future(store.aread([key(1)])) for _ in range(3)]
        await asyncio.sleep(0.02)
        said = await afailing(store)
        own_server.resume()
        return said, await asyncio.gather(*waiting)

    said, answers = asyncio.run(hung())
    assert "is busy: 3 lookups are under way\n  -> raise max_connections or max_requests" in said
    assert [number_in(row) for (row,) in answers] == [1, 1, 1]


def test_more_lookups_than_may_be_under_way_in_a_loop_wait_their_turn(open_filled):
    store = open_filled("?max_requests=3&connect_timeout=60&read_timeout=60")

    async def many():
        return await asyncio.gather(*[store.aread([key(number)]) for number in range(100)])

    assert [number_in(row) for (row,) in asyncio.run(many())] == list(range(100))


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
