"""RemoteClient answers what OnlineClient answers, in the same types; and says what is wrong in the same errors."""

from __future__ import annotations

import asyncio
import math
import pickle
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurestore import RemoteClient
from featurestore.errors import NameClashError, OnlineStoreError, UnknownNameError, UsageError
from featurestore.online.open import open_online_store
from featurestore.serving import connect
from tests.online.certificates import write_certificate
from tests.server.conftest import AT, SHOP, TYPES
from tests.server.running import FINISHES_S, running


@pytest.fixture
def remote(server):
    with RemoteClient(server.url, timeout_s=FINISHES_S) as client:
        yield client


@pytest.fixture
def local(shop_folder):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(shop_folder))
    with connect(SHOP, store) as client:
        yield client


def seen(response):
    """Everything an answer says; NaN as text, since it equals nothing."""
    return [
        (column.name, column.type, list(map(str, column.values)), column.statuses, column.event_us)
        for column in response.columns
    ]


REQUESTS = [
    (["everything"], {"customer_id": [1, 2, 1]}, {}),
    (["orders", "old:n", "days"], [{"customer_id": 1}, {"customer_id": 21}], {"full_feature_names": True}),
    (["pairs@v2:n"], [{"code": "a|b", "customer_id": 1}], {}),
    (["days:n"], [{}], {}),
    (["days:n"], [{}, {}], {}),
    (["days:n"], {}, {}),
    (["days:n"], [], {}),
    (["orders", "days:n"], [], {}),
    (["orders"], ({"customer_id": 1},), {}),
    (["orders"], [{"customer_id": "1"}, {"customer_id": Decimal(2)}, {"customer_id": Decimal("3.0")}], {}),
    (["orders"], [{"customer_id": None}, {"customer_id": 4.0}, {"customer_id": np.int64(5)}], {}),
    (["orders"], {"customer_id": {1, 2}}, {}),
    (["names"], {"code": ["26", "a|b", "", None, "x"]}, {}),
    (["by_amount"], {"amount": [Decimal("10.50"), "10.5", 10.5, Decimal("1e3"), 1000, None]}, {}),
    (["by_id"], {"id": [UUID(TYPES["a_uuid"][1]), TYPES["a_uuid"][1].upper(), None]}, {}),
    (["by_day"], {"day": [date(2026, 1, 31), "2026-01-31", datetime(2026, 1, 31), pd.Timestamp("2026-01-31")]}, {}),
    (["by_moment"], {"moment": [AT, AT.isoformat(), pd.Timestamp(AT), AT.replace(tzinfo=None)]}, {}),
    (["by_moment"], {"moment": [AT.astimezone(timezone(timedelta(hours=5))), datetime(2026, 1, 31), None]}, {}),
    (["orders"], {"customer_id": []}, {}),
    (None, [{"customer_id": 1, "code": "x"}], {"feature_service": "churn", "full_feature_names": True}),
]


@pytest.mark.parametrize(("features", "entities", "more"), REQUESTS)
def test_a_remote_client_answers_what_a_local_one_answers(remote, local, features, entities, more):
    """O3, O4."""
    assert seen(remote.get_online_features(features, entities, **more)) == seen(
        local.get_online_features(features, entities, **more)
    )


def test_rows_may_come_one_by_one(remote):
    """O4."""
    rows = ({"customer_id": number} for number in (2, 1))
    assert remote.get_online_features(["orders:spend"], rows).to_dict()["spend"] == [1.0, 0.5]


@pytest.mark.parametrize(("features", "entities", "more"), REQUESTS[::4])
def test_it_does_so_without_blocking(server, local, features, entities, more):
    async def ask():
        async with RemoteClient(server.url, timeout_s=FINISHES_S) as client:
            return await client.get_online_features_async(features, entities, **more)

    assert seen(asyncio.run(ask())) == seen(local.get_online_features(features, entities, **more))


def test_values_have_the_types_that_the_view_declares(remote):
    response = remote.get_online_features(["everything"], [{"customer_id": 1}])
    values = {name: column[0] for name, column in response.to_dict().items()}
    assert math.isnan(values.pop("not_a_number"))
    expected = {name: value for name, (_, value) in TYPES.items() if name != "not_a_number"}
    assert values == {"customer_id": 1, **expected}
    assert type(values["a_decimal"]) is Decimal
    assert type(values["a_timestamp"]) is datetime
    assert response.event_timestamps["a_boolean"] == [AT]
    assert response.to_arrow().schema.field("a_decimal").type == pa.decimal128(18, 4)


@pytest.mark.parametrize(
    ("features", "entities", "error", "says"),
    [
        (["ordres"], [{"customer_id": 1}], UnknownNameError, "did you mean orders?"),
        (["orders"], [{"customer": 1}], UsageError, "missing join key 'customer_id'"),
        (["orders"], [{"customer_id": 1}, {}], UsageError, r"entity_rows\[1\]"),
        ("orders", [{"customer_id": 1}], UsageError, "expected a list of features"),
        (None, [{"customer_id": 1}], UsageError, "expected either features or a feature service"),
        ([26], [{"customer_id": 1}], UsageError, "expected a reference to a feature, got 26"),
        (["days:n", "old:n"], [{"customer_id": 1}], NameClashError, "n"),
        (["orders"], {"customer_id": 26}, UsageError, "expected a list of values, got 26"),
        (["orders"], {"customer_id": "26"}, UsageError, "expected a list of values"),
        (["orders"], [26], UsageError, r"entity_rows\[0\]: expected a mapping, got 26"),
        (["orders"], 26, UsageError, "expected entity rows, got 26"),
        (["orders"], {}, UsageError, "missing join key 'customer_id'"),
        (["orders"], [{}, {}], UsageError, r"entity_rows\[0\]: missing join key 'customer_id'"),
        (["orders"], [{1: 2}, {}], UsageError, "missing join key 'customer_id'"),
        (["orders"], {1: [2]}, UsageError, "missing join key 'customer_id'"),
        (["orders"], {"customer_id": [1], "code": []}, UsageError, "no join key 'code'"),
        (["pairs@v2"], {"customer_id": [1], "code": []}, UsageError, "the columns differ in length"),
        (["days"], [{"customer_id": 1}], UnknownNameError, "no join key 'customer_id'"),
        (["ordres"], [26], UnknownNameError, "did you mean orders?"),
        (["orders"], [{"customer_id": 1}, {"customer_id": {1}}], UsageError, r"entity_rows\[1\].*got \{1\} \(set\)"),
        (["orders"], [{"customer_id": Decimal("1.5")}], UsageError, r"Decimal\('1.5'\) \(Decimal\)"),
        (["orders"], [{"customer_id": Decimal("1e999999")}], UsageError, "expected a whole number"),
        (["orders"], [{"customer_id": 10**5000}], UsageError, "an integer of at most 128 bits"),
        (["orders"], [{"customer_id": math.nan}], UsageError, "expected a whole number, got nan"),
        (["names"], [{"code": "\ud800"}], UsageError, "not valid Unicode"),
        (["names"], [{"code": Decimal(26)}], UsageError, "expected text, got Decimal"),
        (["names"], [{"code": date(2026, 1, 1)}], UsageError, "expected text"),
        (["by_moment"], [{"moment": date(2026, 1, 1)}], UsageError, "expected a timestamp"),
        (["by_id"], [{"id": b"26"}], UsageError, "expected a UUID"),
    ],
)
def test_what_cannot_be_meant_raises_as_it_does_locally(remote, local, features, entities, error, says):
    with pytest.raises(error, match=says) as locally:
        local.get_online_features(features, entities)
    with pytest.raises(error) as remotely:
        remote.get_online_features(features, entities)
    assert type(remotely.value) is type(locally.value)
    assert str(remotely.value) == str(locally.value)


def test_a_name_that_is_not_valid_unicode_is_one_clear_error(remote):
    with pytest.raises(UsageError, match="not valid Unicode"):
        remote.get_online_features(["\ud800"], [{"customer_id": 1}])


def test_status_is_the_servers(remote):
    assert remote.is_ready()
    assert remote.status().generation


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_that_is_not_there_is_a_store_that_cannot_be_reached():
    with RemoteClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(OnlineStoreError, match="cannot be reached"):
            client.get_online_features(["orders"], [{"customer_id": 1}])
        assert not client.is_ready()
        with pytest.raises(OnlineStoreError, match="cannot be reached"):
            client.get_online_features(["orders"], [{"customer_id": 1}], on_error="null")


def test_with_on_error_null_a_known_question_is_answered_without_the_server(shop_folder):
    with running(shop_folder) as server, RemoteClient(server.url, on_error="null", timeout_s=FINISHES_S) as client:
        assert client.get_online_features(["orders:spend"], [{"customer_id": 2}]).to_dict()["spend"] == [1.0]
        server.end()
        response = client.get_online_features(["orders:spend"], [{"customer_id": 3}, {"customer_id": 2}])
        assert not response.is_complete
        assert "cannot be reached" in response.error
        assert response.to_dict() == {"customer_id": [3, 2], "spend": [None, None]}
        assert response.statuses["spend"] == ["NOT_FOUND"] * 2


def test_with_on_error_null_entities_are_checked_without_the_server_too(shop_folder):
    """O4."""
    with running(shop_folder) as server, RemoteClient(server.url, on_error="null", timeout_s=FINISHES_S) as client:
        client.get_online_features(["orders:spend"], [{"customer_id": 2}])
        server.end()
        for wrong, says in [
            ([{"customer": 26}], "missing join key 'customer_id'"),
            ([26], "expected a mapping"),
            ([{"customer_id": "x"}], "expected a whole number"),
        ]:
            with pytest.raises(UsageError, match=says):
                client.get_online_features(["orders:spend"], wrong)
        assert client.get_online_features(["orders:spend"], []).to_dict() == {"customer_id": [], "spend": []}
        with pytest.raises(UsageError, match="expected a mapping"):  # needs no server
            client.get_online_features(["orders"], [26], on_error="raise")


def test_a_unix_socket_serves_too(shop_folder, tmp_path):
    path = tmp_path / "s"
    with running(shop_folder, "--uds", str(path)) as server:
        assert server.url == f"unix:{path}"
        with RemoteClient(server.url, timeout_s=FINISHES_S) as client:
            assert client.get_online_features(["days:n"], [{}]).to_dict() == {"n": [3]}


def test_tls_serves_too_and_is_checked(shop_folder, tmp_path):
    write_certificate(tmp_path)
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    with running(shop_folder, "--cert", certificate, "--key", key) as server:
        assert server.url.startswith("https://127.0.0.1:")
        trusted = RemoteClient(server.url, certificate_authority=certificate, timeout_s=FINISHES_S)
        with trusted as client:
            assert client.get_online_features(["days:n"], [{}]).to_dict() == {"n": [3]}
        with (
            RemoteClient(server.url, timeout_s=FINISHES_S) as client,
            pytest.raises(OnlineStoreError, match=r"(?i)certificate.*\n  -> name the certificates to believe"),
        ):
            client.get_online_features(["days:n"], [{}])


@pytest.mark.parametrize(
    "url", ["localhost:6566", "http://[::1", "http://", "http://h:x", "http://h:99999", "http://a b", "http://h?a=b"]
)
def test_another_kind_of_url_is_refused(url):
    with pytest.raises(UsageError, match="expected the URL of a feature server"):
        RemoteClient(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="no password") as refused:
        RemoteClient("http://me:canary@127.0.0.1:1")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("key", ["fsk_canary\u00fc", "fsk_canary and", "fsk_canary\nX: y", "fsk_canary\x00", " \n"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(monkeypatch, key):
    with pytest.raises(UsageError, match="expected an API key of visible ASCII") as refused:
        RemoteClient("http://127.0.0.1:1", api_key=key)
    assert "canary" not in "".join(traceback.format_exception(refused.value))
    if "\0" not in key:
        monkeypatch.setenv("FEATURESTORE_API_KEY", key)
        with pytest.raises(UsageError, match="FEATURESTORE_API_KEY"):
            RemoteClient("http://127.0.0.1:1")


def test_a_key_may_come_from_a_file_with_its_line_end(server):
    with RemoteClient(server.url, api_key="fsk_canary\n", timeout_s=FINISHES_S) as client:
        assert client.get_online_features(["days:n"], [{}]).to_dict() == {"n": [3]}


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_that_is_none_is_refused(seconds):
    with pytest.raises(UsageError, match="timeout_s: expected seconds, more than 0"):
        RemoteClient("http://127.0.0.1:1", timeout_s=seconds)


def test_certificates_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "empty.pem").write_text("nothing\n")
    for name in ("nope.pem", "empty.pem", "."):
        with pytest.raises(UsageError, match="certificate_authority: cannot read certificates in"):
            RemoteClient("https://127.0.0.1:1", certificate_authority=tmp_path / name)


def test_a_key_is_neither_shown_nor_pickled():
    client = RemoteClient("http://127.0.0.1:1", api_key="fsk_canary")
    assert "canary" not in repr(client)
    with pytest.raises(UsageError, match="cannot be pickled"):
        pickle.dumps(client)


@contextmanager
def answering(*pieces, between_s=0.0, abort=False):
    """A server of another kind: it says these bytes to whoever asks, one after the other; its URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with suppress(OSError):
                self.request.recv(65_536)
                for piece in pieces:
                    self.request.sendall(piece)
                    if ended.wait(between_s):
                        return
                if abort:
                    self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    ended = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            ended.set()
            server.shutdown()
            thread.join()


ASKS = {
    "sync": lambda client: client.get_online_features(["orders"], [{"customer_id": 1}]),
    "async": lambda client: asyncio.run(client.get_online_features_async(["orders"], [{"customer_id": 1}])),
}
SLOW = {
    "head": [b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 60],
    "body": [b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", *[b" "] * 60],
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW)
def test_a_server_that_answers_bit_by_bit_costs_no_more_than_the_time_limit(ask, pieces):
    took = []
    with answering(*pieces, between_s=0.25) as url:
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(OnlineStoreError, match="did not answer in time"):
                ask(RemoteClient(url, timeout_s=0.5))
            took.append(time.monotonic() - started)
    assert 0.4 < min(took) < 2


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_second_try_and_a_second_question_are_within_the_time_limit(ask):
    took = []
    with answering(b"", between_s=0.4) as url:
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(OnlineStoreError):
                ask(RemoteClient(url, timeout_s=0.5))
            took.append(time.monotonic() - started)
    assert min(took) < 0.75, "each try closes after 0.4 s"


HTML = b"<html>fsk_canary</html>"
OTHERS = {
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n" + HTML,
    "no such page": b"HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\n" + HTML,
    "a proxy": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 23\r\n\r\n" + HTML,
    "a refusal": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 23\r\n\r\n" + HTML,
    "json": b"HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n" + b'{"detail":"Not Found"}',
    "not utf-8": b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"\xff\xff"',
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_what_is_no_feature_server_is_one_clear_error(said, ask):
    with answering(said) as url:
        client = RemoteClient(url, api_key="fsk_canary", timeout_s=FINISHES_S)
        with pytest.raises(
            OnlineStoreError, match=r"not the answer of a feature server.*\n  -> is the URL right?"
        ) as wrong:
            ask(client)
        assert "canary" not in str(wrong.value)
        assert "not the answer of a feature server" in client.status().reason


def test_a_wrong_path_of_a_feature_server_is_no_unknown_name(server):
    with pytest.raises(OnlineStoreError, match=r"404 at this path.*\n  -> is the URL right?"):
        ASKS["sync"](RemoteClient(f"{server.url}/api", timeout_s=FINISHES_S))


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_only_where_nobody_listens_a_server_is_to_be_started(server, tmp_path, ask):
    for url in (f"http://127.0.0.1:{free_port()}", f"unix:{tmp_path / 'none'}"):
        with pytest.raises(OnlineStoreError, match="-> start it: featurestore serve"):
            ask(RemoteClient(url, timeout_s=FINISHES_S))
    with pytest.raises(OnlineStoreError, match="http or https") as wrong_scheme:
        ask(RemoteClient(server.url.replace("http:", "https:"), timeout_s=FINISHES_S))
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{", abort=True) as url,
        pytest.raises(OnlineStoreError, match="cannot be reached") as reset,
    ):
        ask(RemoteClient(url, timeout_s=FINISHES_S))
    assert "start it" not in f"{wrong_scheme.value}{reset.value}"


FORKED = """
import os, sys
from featurestore import RemoteClient
client = RemoteClient(sys.argv[1], timeout_s=120)
def ask(customer):
    for _ in range(100):
        found = client.get_online_features(["orders:orders_7d"], [{"customer_id": customer}]).to_dict()
        assert found == {"customer_id": [customer], "orders_7d": [customer]}, found
ask(1)
child = os.fork()
ask(2 if child else 3)
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_has_connections_of_its_own(server):
    """On one of its parent's it would read the parent's answers: another customer's features."""
    ran = subprocess.run([sys.executable, "-c", FORKED, server.url], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_event_loops_that_have_ended_leave_nothing_behind(server):
    with RemoteClient(server.url, timeout_s=FINISHES_S) as client:
        for _ in range(5):
            asyncio.run(client.get_online_features_async(["days:n"], [{}]))
        assert len(client._connections._waiting) == 1
