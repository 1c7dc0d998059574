"""Lookups that are awaited: the same answers, from many tasks and from several event loops at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.layouts import GENERATION
from featurestore.serving import connect
from tests.serving.conftest import DAY, NOON, Listening, project, sync, turn_readers, view

ORDERS = view(ttl=7 * DAY)
CUSTOMERS = 50


def fill(store):
    rows = [{"customer_id": number, "orders_7d": number, "spend": number / 2} for number in range(CUSTOMERS)]
    sync(store, ORDERS, *rows)


def orders_of(client, *customers):
    return client.get_online_features_async(["orders"], {"customer_id": list(customers)}, now=NOON)


async def ask_often(client, seed, requests=40):
    """Several tasks' worth of requests; returns those that were answered wrongly."""
    wrong = []
    for number in range(requests):
        customers = [(seed * 7 + number + offset) % (CUSTOMERS + 5) for offset in range(4)]
        found = (await orders_of(client, *customers)).to_dict()["orders_7d"]
        wanted = [customer if customer < CUSTOMERS else None for customer in customers]
        if found != wanted:
            wrong.append((customers, found))
    return wrong


def test_an_awaited_lookup_answers_as_the_other_does(any_store):
    fill(any_store)
    sync(any_store, ORDERS, {"customer_id": 1, "orders_7d": None, "spend": 1.0})
    sync(any_store, ORDERS, {"customer_id": 2, "orders_7d": 5, "spend": 1.0, "at": NOON + DAY})
    client = connect(project(ORDERS), any_store)
    asked = {"customer_id": [3, 1, 99, 2, 3]}
    there = client.get_online_features(["orders"], asked, now=NOON)
    awaited = asyncio.run(client.get_online_features_async(["orders"], asked, now=NOON))
    assert awaited.to_feast() == there.to_feast()
    with pytest.raises(UsageError, match="missing join key"):
        asyncio.run(client.get_online_features_async(["orders"], [{}]))


def test_many_tasks_share_one_client(any_store):
    fill(any_store)
    client = connect(project(ORDERS), any_store)

    async def all_tasks():
        return await asyncio.gather(*[ask_often(client, seed) for seed in range(16)])

    assert asyncio.run(all_tasks()) == [[]] * 16


def test_several_event_loops_share_one_client(any_store):
    fill(any_store)
    client = connect(project(ORDERS), any_store)
    wrong = []

    async def all_tasks(first):
        return await asyncio.gather(*[ask_often(client, seed) for seed in range(first, first + 4)])

    def one_loop(first):
        wrong.extend(asyncio.run(all_tasks(first)))

    threads = [threading.Thread(target=one_loop, args=(first,)) for first in range(0, 16, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert wrong == [[]] * 16
    assert asyncio.run(ask_often(client, 99)) == [], "and one loop after the other"


def test_an_awaited_lookup_follows_the_set_in_use_and_reads_other_layouts(store, clock):
    """O9: the description of a layout, too, is read without blocking the loop."""
    both = view(features=(("a", "int64"), ("b", "int64")))
    sync(store, view(features=(("a", "int64"),)), {"customer_id": 1, "a": 10}, row_set=2)
    turn_readers(store, both, 2)
    listening = Listening(store)
    client = connect(project(both), listening)
    response = asyncio.run(client.get_online_features_async(["orders"], [{"customer_id": 1}]))
    assert response.statuses == {"a": ["PRESENT"], "b": ["NULL_VALUE"]}
    assert [(len(keys), len(notes)) for keys, notes in listening.asked] == [(1, 2), (1, 0), (0, 1)]


def test_an_awaited_lookup_notices_an_emptied_store_and_can_answer_null(store):
    """O8"""
    fill(store)
    store.swap_note(GENERATION, store.read_note(GENERATION), None)
    client = connect(project(ORDERS), store)
    with pytest.raises(OnlineStoreError, match="emptied or never filled"):
        asyncio.run(orders_of(client, 99))
    response = asyncio.run(client.get_online_features_async(["orders"], [{"customer_id": 99}], on_error="null"))
    assert "emptied or never filled" in response.error


def test_a_task_that_is_cancelled_leaves_the_client_in_order(store):
    class Waiting(Listening):
        async def aread(self, keys, notes=()):
            await asyncio.sleep(30)

    fill(store)
    listening = Waiting(store)
    client = connect(project(ORDERS), listening)

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(orders_of(client, 1), 0.02)

    asyncio.run(give_up())
    assert client.get_online_features(["orders:orders_7d"], [{"customer_id": 1}], now=NOON).to_dict()["orders_7d"] == [
        1
    ]
