"""How many lookups of one event loop are under way in Redis, and in which turn the others come."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.faults.proxy import proxy
from tests.online.rows import batch, key, number_in

ROWS = 20
LATENCY_S = 0.02


@pytest.fixture
def store(valkey):
    """One lookup at a time, each of which takes a while."""
    valkey.empty()
    with proxy(valkey.port) as slow:
        made = open_online_store(
            f"{slow.uri}?max_requests=1&read_timeout=60&connect_timeout=60", project="shop", base_dir=Path()
        )
        made.write(batch(*[(key(number), number, 1, NO_CREATED_TIME) for number in range(ROWS)]))
        slow.latency_s = LATENCY_S
        yield made
        made.close()


async def numbers(store, count):
    return [number_in((await store.aread([key(number)]))[0]) for number in range(count)]


def test_who_asks_again_at_once_does_not_get_in_beside_the_one_whose_turn_it_is(store):
    async def five_at_once():
        await store.aread([key(1)])
        before = time.perf_counter()
        found = await asyncio.gather(*[numbers(store, 4) for _ in range(5)])
        return found, time.perf_counter() - before

    found, took = asyncio.run(five_at_once())
    assert found == [[0, 1, 2, 3]] * 5
    assert took > 20 * LATENCY_S, "they came one after another"


def test_the_turn_of_a_lookup_that_is_cancelled_goes_to_the_next_one(store):
    async def cancelled_when_its_turn_has_come():
        await store.aread([key(0)])

        async def first():
            found = await store.aread([key(1)])
            second.cancel()
            return found

        before = time.perf_counter()
        asked = asyncio.ensure_future(first())
        await asyncio.sleep(0)
        second, third = (asyncio.ensure_future(store.aread([key(number)])) for number in (2, 3))
        found = [*await asked, *await third]
        assert second.cancelled()
        took = time.perf_counter() - before
        return [*found, *await store.aread([key(4)])], took

    found, took = asyncio.run(cancelled_when_its_turn_has_come())
    assert [number_in(row) for row in found] == [1, 3, 4]
    assert took < 50, "nobody waited until the time was over"


def test_a_lookup_that_is_cancelled_while_it_waits_takes_no_turn(store):
    async def cancelled_early():
        asked = [asyncio.ensure_future(store.aread([key(number)])) for number in range(4)]
        await asyncio.sleep(LATENCY_S / 2)
        asked[2].cancel()
        return [number_in((await each)[0]) for each in (asked[0], asked[1], asked[3])]

    assert asyncio.run(cancelled_early()) == [0, 1, 3]
