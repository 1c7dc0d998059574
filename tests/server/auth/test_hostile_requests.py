"""Requests that nobody should send: each gets the right status and a clear word, and the server lives on."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.server.auth.running import (
    BODY,
    HEAD,
    LOOK_UP,
    LOOKUP,
    check_unharmed,
    limited,
    make_shop,
    message_of,
    read_answer,
    until,
)

ASKED = '"features": ["orders:order_count"]'
RAGGED = json.dumps(
    {
        "entities": {"customer_id": [1], "other": [1, 2]},
        "features": ["orders:order_count", "orders[customer_id=other] as o:order_count"],
        "full_feature_names": True,
    }
)
WEB_SOCKET = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("hostile") / "shop")


@pytest.fixture(scope="module")
def server(shop):
    with limited(shop) as running:
        yield running


@pytest.fixture(autouse=True)
def it_is_unharmed(server):
    yield
    check_unharmed(server)


def entities(*values, **more):
    return json.dumps({**LOOKUP, "entities": {"customer_id": list(values)}, **more})


@pytest.mark.parametrize(
    ("what", "body", "status", "message"),
    [
        ("nothing", "", 400, "the request's body: expected a JSON object, got nothing"),
        ("no JSON", "customer_id=1", 400, "the request's body: JSON is malformed"),
        ("half of it", BODY[:-5], 400, "the request's body: "),
        ("more after it", BODY + "x", 400, "the request's body: JSON is malformed"),
        ("not UTF-8", b'{"entities": {"customer_id": ["\xff"]}}', 400, "the request's body: "),
        ("UTF-16", BODY.encode("utf-16"), 400, "the request's body: "),
        ("a list at the top", "[]", 400, "the request's body: Expected `object`, got `array`"),
        ("a number at the top", "7", 400, "the request's body: Expected `object`, got `int`"),
        ("no entities", "{" + ASKED + "}", 400, "the request's body: Object missing required field"),
        ("entities as a list", '{"entities": [1], ' + ASKED + "}", 400, "the request's body: Expected"),
        ("an entity that is no list", '{"entities": {"customer_id": 1}, ' + ASKED + "}", 400, "the request's"),
        ("no join key", '{"entities": {}, ' + ASKED + "}", 400, None),
        ("an unknown join key", '{"entities": {"user": [1]}, ' + ASKED + "}", 400, None),
        ("ragged lists", RAGGED, 400, None),
        ("an entity that is an object", entities({"a": 1}), 400, None),
        ("an entity that is a list", entities([1]), 400, None),
        ("an entity that is a boolean", entities(True), 400, None),
        ("an entity that is text", entities("one"), 400, None),
        ("an entity that is a fraction", entities(1.5), 400, None),
        ("an entity that is SQL", entities("1; drop table orders"), 400, None),
        ("NaN", '{"entities": {"customer_id": [NaN]}, ' + ASKED + "}", 400, "the request's body: "),
        ("Infinity", '{"entities": {"customer_id": [Infinity]}, ' + ASKED + "}", 400, "the request's"),
        ("1e999", '{"entities": {"customer_id": [1e999]}, ' + ASKED + "}", 400, None),
        ("a number of many digits", entities(10**4_000), 400, None),
        ("half a character", '{"entities": {"customer_id": ["\\ud800"]}, ' + ASKED + "}", 400, None),
        ("a NUL", entities("\0"), 400, None),
        ("deep nesting", "[" * 50_000, 400, "the request's body: "),
        ("deep nesting of a value", f'{{"entities": {{"customer_id": [{"[" * 40_000}', 400, "the request's body: "),
        ("deep nesting of what is passed over", f'{{"x": {"[" * 40_000}', 400, "the request's body: "),
        (
            "features and a service",
            entities(1, feature_service="churn"),
            400,
            "expected either features or a feature service",
        ),
        ("neither", '{"entities": {"customer_id": [1]}}', 400, None),
        ("an empty list of features", entities(1, features=[]), 400, None),
        (
            "a feature that is no reference",
            entities(1, features=["order_count::"]),
            400,
            "cannot read the feature reference",
        ),
        ("a feature that is a number", entities(1, features=[7]), 400, "the request's body: Expected `str`, got `int`"),
        (
            "a service that is a list",
            entities(1, features=None, feature_service=["churn"]),
            400,
            "the request's body: ",
        ),
        ("a flag that is text", entities(1, full_feature_names="yes"), 400, "the request's body: Expected `bool`"),
        ("an unknown view", entities(1, features=["invoices:order_count"]), 404, "no feature view 'invoices'"),
        ("an unknown feature", entities(1, features=["orders:order_cout"]), 404, "no feature 'order_cout'"),
        ("an unknown service", entities(1, features=None, feature_service="churm"), 404, "no feature service 'churm'"),
        (
            "a path as a service",
            entities(1, features=None, feature_service="../../etc/passwd"),
            404,
            "no feature service",
        ),
        ("a huge name", entities(1, features=["a" * 90_000]), 404, "no feature view"),
        ("too many entities", entities(*range(51)), 400, "expected at most 50 entities, got 51"),
        (
            "too many features",
            entities(1, features=["orders:order_count"] * 3),
            400,
            "expected at most 2 features, got 3",
        ),
        (
            "too many features behind a name",
            entities(1, features=["orders"]),
            400,
            "expected at most 2 features, got 3",
        ),
        ("a body over the limit", BODY + " " * 100_000, 413, "expected at most 100000 bytes in the body, got more"),
        (
            "a body far over the limit",
            BODY + " " * 1_400_000,
            413,
            "expected at most 100000 bytes in the body, got more",
        ),
    ],
)
def test_a_body_of_this_kind_is_refused(server, what, body, status, message):
    answer = server.ask(content=body.encode() if isinstance(body, str) else body)
    assert answer.status_code == status, (what, answer.text)
    told = message_of(answer.content)
    assert told.startswith(message or ""), (what, told)
    assert told
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("keys that we do not know", entities(1, unheard_of={"a": [1]})),
        ("a key twice: the last one counts", f'{{"entities": {{"customer_id": [true]}}, {BODY[1:]}'),
        ("spaces around it", f" \n\t{BODY} \n"),
        ("no entity at all", entities()),
        ("keys that no bigint is, and that are not found", entities(2**63, 2**64, -(2**63) - 1)),
    ],
)
def test_a_body_of_this_kind_is_answered(server, what, body):
    assert server.ask(content=body.encode()).status_code == 200, what


def test_the_content_type_is_not_looked_at_as_feast_does_not(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png", ""):
        assert server.ask(content=BODY.encode(), headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip", ""])
def test_a_packed_body_is_not_unpacked(server, encoding):
    bomb = gzip.compress(gzip.compress(bytes(10_000_000)))
    for path in ("/get-online-features", "/push"):
        answer = server.ask(path, content=bomb, headers={"content-encoding": encoding})
        assert answer.status_code == 415
        assert message_of(answer.content).startswith("expected a body that is not compressed")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_another_method_is_refused_with_the_one_that_there_is(server, method):
    status, headers, body = server.send(
        f"{method} /get-online-features HTTP/1.1\r\nhost: localhost\r\n\r\n".encode(), head_only=method == "HEAD"
    )
    if method in {"BREW", "CONNECT"}:
        assert status in {400, 405}
    else:
        assert (status, headers["allow"]) == (405, "POST")
        assert body == b"" if method == "HEAD" else message_of(body)


def test_a_post_where_there_is_nothing_to_post_is_refused(server):
    answer = server.ask("/health", json={})
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/get-online-features/",
        "/get-online-features%00",
        "/GET-ONLINE-FEATURES",
        "/..%2f..%2fetc/passwd",
        "/../etc/passwd",
        "/%ff",
        "//",
        "/read-document",
        "/" + "a" * 5_000,
    ],
)
def test_an_unknown_path_is_not_found(server, path):
    status, _, body = server.send(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}".encode())
    assert status == 404
    assert message_of(body).startswith("there is no such path\n  -> GET /openapi.json")


@pytest.mark.parametrize(
    ("what", "raw", "statuses"),
    [
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), {400}),
        ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
        ("HTTP/0.9", b"GET /health\r\n\r\n", {200, 400}),
        ("HTTP/9.9", b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n", {400}),
        ("a method in lower case", b"post /get-online-features HTTP/1.1\r\nhost: localhost\r\n\r\n", {400}),
        ("a NUL in the path", b"GET /he\0lth HTTP/1.1\r\nhost: localhost\r\n\r\n", {400}),
        ("a NUL in a header", b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n", {400}),
        ("a header without a colon", b"GET /health HTTP/1.1\r\nhost a\r\n\r\n", {400}),
        ("a space before the colon", b"GET /health HTTP/1.1\r\nhost : a\r\n\r\n", {400}),
        ("a folded header", b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n", {200, 400}),
        ("a length that is negative", HEAD + b"content-length: -1\r\n\r\n", {400}),
        ("a length that is a word", HEAD + b"content-length: much\r\n\r\n", {400}),
        ("a length beyond all numbers", HEAD + b"content-length: 99999999999999999999999\r\n\r\n", {400}),
        ("two lengths", HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", {400}),
        ("a length and chunks", HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        ("another transfer encoding", HEAD + b"transfer-encoding: gzip\r\n\r\n", {400}),
        ("a chunk of no number", HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", {400}),
        ("a chunk beyond all numbers", HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", {400}),
        (
            "a chunk that is longer than it says",
            HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            {400},
        ),
        ("a web socket", WEB_SOCKET, {200, 404}),
        ("a host that looks like a path", b"GET /nowhere HTTP/1.1\r\nhost: a/health?\r\n\r\n", {403}),
        ("a whole URL", b"GET http://evil.example.com/nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n", {404}),
        ("a head of 100,000 bytes", HEAD + b"x: " + b"a" * 100_000, {431}),
        ("100,000 bytes of headers", HEAD + b"x: y\r\n" * 16_000, {431}),
    ],
)
def test_what_is_hardly_http_is_answered_or_cut_off(server, what, raw, statuses):
    status, headers, body = server.send(raw)
    assert status in statuses, (what, status)
    assert status < 300 or body
    assert status not in {400, 408, 431} or headers["connection"] == "close"


def test_chunks_without_end_are_refused_and_then_cut_off(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        for _ in range(10):
            connection.sendall(chunk)
        status, _, body = read_answer(connection)
        assert (status, message_of(body)[:30]) == (413, "expected at most 100000 bytes ")

        def is_cut_off():
            try:
                connection.sendall(chunk)
            except OSError:
                return True
            return False

        until(is_cut_off, pause_s=0)


def test_who_is_told_that_a_body_is_too_large_may_ask_again_on_the_same_connection(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b"content-length: 300000\r\n\r\n" + b" " * 300_000)
        assert read_answer(connection)[0] == 413
        connection.sendall(LOOK_UP)
        assert read_answer(connection)[0] == 200


def test_trailers_without_end_are_cut_off_before_they_fill_the_memory(server):
    sent = 0
    with server.connect() as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n")

        def is_cut_off():
            nonlocal sent
            try:
                connection.sendall(b"x: " + b"y" * 60_000)
            except OSError:
                return True
            sent += 60_000
            return False

        until(is_cut_off, pause_s=0)
    assert sent < 20_000_000


def test_requests_one_behind_the_other_are_answered_in_turn(server):
    with server.connect() as connection:
        connection.sendall(LOOK_UP * 20)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 20:
            more = connection.recv(65_536)
            assert more
            received += more


def test_a_request_id_that_would_break_a_line_is_not_taken(server):
    for given in ("a\tb", "é", "x" * 1_000):
        answer = server.ask(json=LOOKUP, headers={"x-request-id": given.encode()})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] != given
    assert server.ask(json=LOOKUP, headers={"x-request-id": "mine-7"}).headers["x-request-id"] == "mine-7"


def test_who_does_not_wait_for_the_answer_harms_nobody(server):
    for _ in range(50):
        with server.connect() as connection:
            connection.sendall(LOOK_UP)
    assert server.look_up().status_code == 200
