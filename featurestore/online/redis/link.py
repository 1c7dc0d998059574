"""One blocking connection to one server: packed commands out, answers in, within a time.

The rule: whoever gets a LinkError throws the link away, so that an answer that comes late is never taken for that of
another command.
"""

from __future__ import annotations

import functools
import math
import selectors
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.online.redis.deadline import left_s, turn_ends
from featurestore.online.redis.greeting import Greeting, greet
from featurestore.online.redis.replies import LinkError, LinkTimeoutError, broken, not_connected
from featurestore.online.redis.resp import NOTHING, Answer, make_reader

if TYPE_CHECKING:
    import ssl

    from featurestore.online.redis.uri import Endpoint, Login, Tls

MOST_IDLE_S = 30.0
"""Firewalls and load balancers forget connections that were idle for one to six minutes."""
_BUFFER_BYTES = 65_536
_AT_ONCE = struct.pack("ii", 1, 0)


class Link:
    """See the module. For one thread at a time.

    Attributes:
        greeting: what the server said of itself.
        idle_since: when it was last given back, by the monotonic clock.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader = make_reader()
        self._buffer = bytearray(_BUFFER_BYTES)
        self._timeout_s = -1.0
        self.greeting = Greeting()
        self.idle_since = math.inf

    def exchange(self, packed: bytes, count: int, timeout_s: float) -> list[Answer]:
        """Send commands and return their answers, ServerErrors among them.

        Raises:
            LinkError: the connection broke, or not all answers came in time.
        """
        self.send(packed, timeout_s)
        return self.receive(count, timeout_s)

    def send(self, packed: bytes, timeout_s: float) -> None:
        """Send commands; raises as `exchange` does."""
        try:
            self._wait_at_most(timeout_s)
            self._socket.sendall(packed)
        except OSError as problem:
            raise broken(problem) from problem

    def receive(self, count: int, timeout_s: float) -> list[Answer]:
        """Return so many answers; raises as `exchange` does."""
        gets = self._reader.gets
        answers: list[Answer] = []
        wait_s, deadline = timeout_s, 0.0
        while True:
            while (answer := gets()) is not NOTHING:
                answers.append(answer)
                if len(answers) == count:
                    return answers
            if deadline:
                wait_s = deadline - time.monotonic()
                if wait_s <= 0:
                    raise LinkTimeoutError("no answer in time")
            else:
                deadline = time.monotonic() + timeout_s
            self._feed(wait_s)

    def greet(self, login: Login, db: int, until: float) -> None:
        """Log in; raises LinkError, or ServerError when the server refuses."""
        steps = greet(login, db)
        question = next(steps)
        while True:
            answers = self.exchange(*question, left_s(until))
            try:
                question = steps.send(answers)
            except StopIteration as done:
                self.greeting = done.value
                return

    def is_usable(self) -> bool:
        """Say whether the server has neither closed the connection nor sent what nobody asked for, as far as we know.

        One that was idle for long may have been forgotten by a firewall on the way, which tells nobody.
        """
        if time.monotonic() - self.idle_since > MOST_IDLE_S:
            return False
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                return not selector.select(0)
        except (OSError, ValueError):
            return False

    def has_leftovers(self) -> bool:
        """Say whether something has come that was not read."""
        has_data: bool = self._reader.has_data()
        return has_data

    def close(self) -> None:
        """Close the socket; in a forked child this closes only the child's copy."""
        self._socket.close()

    def abort(self) -> None:
        """Close the socket, and have the system forget what the server has not got yet.

        Else it might be delivered after what is sent later on another connection.
        """
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._socket.close()

    def _feed(self, wait_s: float) -> None:
        try:
            self._wait_at_most(wait_s)
            size = self._socket.recv_into(self._buffer)
        except OSError as problem:
            raise broken(problem) from problem
        if not size:
            raise LinkError("the server closed the connection")
        self._reader.feed(self._buffer, 0, size)  # type: ignore[arg-type]  # any buffer will do

    def _wait_at_most(self, seconds: float) -> None:
        """Set the socket's timeout: a system call, so only when it changes."""
        if seconds != self._timeout_s:
            self._socket.settimeout(seconds)
            self._timeout_s = seconds


def open_link(endpoint: Endpoint, tls: Tls | None, login: Login, db: int, until: float) -> Link:
    """Connect to a server and log in, all before a moment of the monotonic clock; names are looked up without limit.

    Raises:
        NotConnectedError: it cannot be reached, or takes too long.
        ServerError: it refuses the login, the database or one more client.
    """
    try:
        link = Link(_connected(endpoint, tls, until))
    except OSError as problem:
        raise not_connected(problem) from problem
    try:
        link.greet(login, db, until)
    except LinkError as problem:
        link.close()
        raise not_connected(problem) from problem
    except BaseException:
        link.close()
        raise
    return link


def _connected(endpoint: Endpoint, tls: Tls | None, until: float) -> socket.socket:
    if endpoint.path:
        return _connected_to(socket.AF_UNIX, endpoint.path, until)
    connected = _first_connected(endpoint, until)
    try:
        prepare(connected)
        connected.settimeout(left_s(until))
        return connected if tls is None else tls_context(tls).wrap_socket(connected, server_hostname=endpoint.host)
    except BaseException:
        connected.close()
        raise


def _first_connected(endpoint: Endpoint, until: float) -> socket.socket:
    """Connect to the first of a name's addresses that answers."""
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    for waiting in range(len(found), 1, -1):
        family, _, _, _, place = found[-waiting]
        try:
            return _connected_to(family, place, turn_ends(until, waiting))
        except OSError:
            continue
    family, _, _, _, place = found[-1]
    return _connected_to(family, place, until)


def _connected_to(family: int, place: str | tuple[Any, ...], until: float) -> socket.socket:
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.settimeout(left_s(until))
        connected.connect(place)
    except BaseException:
        connected.close()
        raise
    return connected


def prepare(connected: socket.socket) -> None:
    """Send small commands at once, and notice a peer that vanished without a word."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return how to encrypt; certificates are read again when their files have changed."""
    files = [Path(path).stat() for path in (tls.ca_certs, tls.certfile, tls.keyfile) if path is not None]
    return _tls_context(tls, tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=8)
def _tls_context(tls: Tls, version: tuple[tuple[int, int, int], ...]) -> ssl.SSLContext:  # noqa: ARG001 -- of the files
    import ssl

    context = ssl.create_default_context(cafile=tls.ca_certs)
    context.check_hostname = tls.is_hostname_checked and tls.cert_reqs == "required"
    context.verify_mode = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}[
        tls.cert_reqs
    ]
    if tls.certfile is not None:
        context.load_cert_chain(tls.certfile, tls.keyfile)
    return context
