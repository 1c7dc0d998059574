"""What a client sends on one connection is answered in order, however it is cut, whole lookups by their shorter way."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import uvicorn
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from featurestore.definitions.server import Limits, ServerSettings
from featurestore.online.open import open_online_store
from featurestore.registry.read import read_latest_document
from featurestore.server.app import build
from featurestore.server.connection import connections
from featurestore.server.instruments import make_instruments
from featurestore.server.served import Newest
from featurestore.server.slow_clients import KEEP_ALIVE_S, SlowClients
from tests.server.running import FINISHES_S, config_of

MOST_BYTES = 1 << 20


def post(name, asked, *, more="", body=None):
    """A lookup as a client writes it; `name` is its request id."""
    written = json.dumps(asked).encode() if body is None else body
    head = f"POST /get-online-features HTTP/1.1\r\nhost: localhost\r\nx-request-id: {name}\r\n{more}"
    if "chunked" not in more:
        head += f"content-length: {len(written)}\r\n"
    return f"{head}\r\n".encode() + written


DAYS = {"features": ["days:n"], "entities": {}, "entity_count": 1}
ORDERS = {"features": ["orders:spend"], "entities": {"customer_id": [1, 2]}}
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (json.dumps(ORDERS).encode()[:9],))
CHUNKED += b"%x\r\n%b\r\n0\r\n\r\n" % (len(json.dumps(ORDERS)) - 9, json.dumps(ORDERS).encode()[9:])
REQUESTS = (
    (post("a", DAYS), 200),
    (post("b", ORDERS), 200),
    (post("c", {"features": ["nobody:n"], "entities": {}}), 404),
    (b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-request-id: d\r\n\r\n", 200),
    (post("e", ORDERS, more="transfer-encoding: chunked\r\n", body=CHUNKED), 200),
    (post("f", DAYS, body=b"{"), 400),
    (post("g", ORDERS), 200),
    (post("h", DAYS, more="connection: close\r\n"), 200),
)
STREAM = b"".join(raw for raw, _ in REQUESTS)


def answers(url, *parts):
    """Send bytes part by part on one connection; returns (id, status, body) of all answers until it is closed."""
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port), timeout=FINISHES_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    seen = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        seen.append((headers.get("x-request-id"), int(first.split(" ")[1]), received[:length]))
        received = received[length:]
    return seen


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(STREAM) - 1), max_size=8, unique=True).map(sorted))
def test_answers_come_in_order_however_the_requests_are_cut(server, cuts):
    places = [0, *cuts, len(STREAM)]
    seen = answers(server.url, *(STREAM[begin:end] for begin, end in pairwise(places)))
    assert [(name, status) for name, status, _ in seen] == [
        (name, status) for name, (_, status) in zip("abcdefgh", REQUESTS, strict=True)
    ]
    assert json.loads(seen[0][2]) == json.loads(seen[-1][2])
    assert json.loads(seen[1][2]) == json.loads(seen[4][2]) == json.loads(seen[6][2])
    assert json.loads(seen[1][2])["results"][1]["values"] == [0.5, 1.0]


def test_clients_that_leave_between_their_requests_take_no_answer_from_others(server):
    two, at_once = post("a", ORDERS) + post("b", ORDERS), struct.pack("ii", 1, 0)
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port), timeout=FINISHES_S) as staying:
        for _ in range(100):
            staying.sendall(post("s", ORDERS))
            with socket.create_connection(staying.getpeername(), timeout=FINISHES_S) as leaving:
                leaving.sendall(two)
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            assert staying.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_a_client_of_http_1_0_is_answered_and_left(server):
    raw = post("a", DAYS).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert [(name, status) for name, status, _ in answers(server.url, raw)] == [("a", 200)]


def test_who_asks_whether_to_go_on_is_told_to(server):
    raw = post("a", DAYS, more="expect: 100-continue\r\nconnection: close\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    seen = answers(server.url, head + b"\r\n\r\n", body)
    assert [(name, status) for name, status, _ in seen] == [(None, 100), ("a", 200)]


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES + 1])
def test_a_body_has_its_limit_and_the_next_request_is_answered(server, size):
    body = json.dumps(DAYS).encode().ljust(size)
    seen = answers(server.url, post("a", DAYS, body=body), post("b", DAYS, more="connection: close\r\n"))
    assert [(name, status) for name, status, _ in seen] == [("a", 200 if size <= MOST_BYTES else 413), ("b", 200)]


@pytest.mark.parametrize("body_bytes", [10, 1 << 20])
def test_a_whole_body_has_the_same_limit(shop_folder, tmp_path, body_bytes):
    settings = ServerSettings(limits=Limits(body_bytes=body_bytes))

    def ask(url, _):
        return [status for _, status, _ in answers(url, post("a", DAYS, more="connection: close\r\n"))]

    assert in_process(shop_folder, tmp_path, settings, ask) == [413 if body_bytes == 10 else 200]


@pytest.mark.parametrize(
    ("looks", "stood_still_s", "is_kept"),
    [(KEEP_ALIVE_S, 0, True), (KEEP_ALIVE_S + 1, 0, False), (KEEP_ALIVE_S - 1, 3600, True)],
)
def test_a_client_that_asks_nothing_more_is_left_after_a_while(shop_folder, tmp_path, looks, stood_still_s, is_kept):
    def ask(url, look):
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port), timeout=FINISHES_S) as connection:
            for _ in range(2):  # it has all its time again after each answer
                connection.sendall(post("a", DAYS))
                assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
                for _ in range(6):
                    look(1.0)
            for _ in range(int(looks) - 5):
                look(1.0)
            if stood_still_s:
                look(stood_still_s)
            if not is_kept:
                return connection.recv(1) != b""
            connection.sendall(post("b", DAYS, more="connection: close\r\n"))
            return connection.recv(1 << 16).startswith(b"HTTP/1.1 200")

    assert in_process(shop_folder, tmp_path, ServerSettings(), ask) is is_kept


def in_process(folder, tmp_path, server_settings, ask):
    """Serve the shop here while `ask(url, look)` runs in a thread; `look(later_s)` looks for slow clients."""
    base_dir = Path(folder)
    config = config_of(folder, tmp_path, settings=server_settings)
    document = read_latest_document("registry", base_dir)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=base_dir)
    newest = Newest(config, document, store)
    clock = [0.0]

    async def serve():
        app = build(config, newest, store, make_instruments(config, newest))
        of_server = connections(app.lookups, server_settings)
        settings_of_uvicorn = uvicorn.Config(app.everything, http=of_server, log_config=None)
        settings_of_uvicorn.load()
        state = ServerState()
        slow = SlowClients(server_settings.limits, clock=lambda: clock[0])
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: of_server(settings_of_uvicorn, state, {}, loop), "127.0.0.1", 0)

        async def look_in(later_s):
            clock[0] += later_s
            slow.look(state.connections)

        def look(later_s):
            asyncio.run_coroutine_threadsafe(look_in(later_s), loop).result(FINISHES_S)

        port = listening.sockets[0].getsockname()[1]
        try:
            return await asyncio.to_thread(ask, f"http://127.0.0.1:{port}", look)
        finally:
            listening.close()

    try:
        return uvloop.run(serve())
    finally:
        store.close()
