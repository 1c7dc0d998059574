"""Clients that take their time: a request that does not come is cut off, and holds up nobody."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest

from tests.server.auth.running import HEAD, LOOK_UP, check_unharmed, limited, make_shop, message_of, read_answer, until


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that waits a second; a machine that stalls is too slow for it, so what it cuts off is tried again."""
    with limited(make_shop(tmp_path_factory.mktemp("hasty") / "shop"), header_s=1, body_s=1) as running:
        yield running


@pytest.fixture(autouse=True)
def it_is_unharmed(hasty):
    yield
    check_unharmed(hasty)


@pytest.mark.parametrize(
    ("raw", "awaited"),
    [
        (HEAD + b"content-length: 1000\r\n\r\n{", "body"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", "body"),
        (HEAD + b"x: y\r\n", "head"),
        (b"POST /get-on", "head"),
    ],
)
def test_a_request_that_does_not_come_is_cut_off(hasty, raw, awaited):
    status, headers, body = until(lambda: hasty.send(raw))
    assert (status, headers["connection"]) == (408, "close")
    assert message_of(body) == f"the request's {awaited} did not come in time"


def test_a_connection_that_says_nothing_is_closed(hasty):
    with hasty.connect() as connection:
        assert connection.recv(100) == b""


def test_a_head_that_trickles_is_cut_off(hasty):
    with hasty.connect() as connection:
        connection.sendall(HEAD)

        def is_cut_off():
            try:
                connection.sendall(b"x: y\r\n")
            except OSError:
                return True
            return False

        until(is_cut_off)


def test_who_answered_in_time_before_is_cut_off_too_when_the_next_head_trickles(hasty):
    def statuses():
        with hasty.connect() as connection, suppress(OSError):
            seen = []
            for raw in (LOOK_UP, LOOK_UP, b"POST /get-online"):
                connection.sendall(raw)
                answer = read_answer(connection)
                seen.append(answer and answer[0])
            return seen == [200, 200, 408] and connection.recv(100) == b""

    assert until(statuses)


def test_the_end_of_a_body_that_was_refused_is_not_waited_for_without_end(hasty):
    def is_cut_off():
        with hasty.connect() as connection, suppress(OSError):
            connection.sendall(HEAD + b"content-length: 200000\r\n\r\n" + b" " * 150_000)
            answer = read_answer(connection)
            return answer is not None and answer[0] == 413 and connection.recv(100) == b""

    assert until(is_cut_off)


def test_many_slow_clients_hold_up_nobody(hasty):
    slow = [hasty.connect() for _ in range(300)]
    try:
        for connection in slow:
            with suppress(OSError):
                connection.sendall(b"POST /get-online-features HTTP/1.1\r\nx: ")
        for _ in range(20):
            assert until(lambda: is_answered(hasty))
        assert {answer and answer[0] for answer in map(read_answer, slow)} <= {408, None}
    finally:
        for connection in slow:
            connection.close()


def is_answered(running):
    with suppress(httpx.TransportError):
        return running.look_up().status_code == 200
