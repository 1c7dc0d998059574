"""One blocking connection to one server: packed commands out, answers in, within a time.

The rule: whoever gets a LinkError throws the link away, so that an answer that comes late is never taken for that of
another command.
"""

from __future__ import annotations

import functools
import selectors
import socket
import time
from typing import TYPE_CHECKING

from featurestore.online.redis.greeting import Greeting, greet
from featurestore.online.redis.replies import LinkError, LinkTimeoutError, broken, not_connected
from featurestore.online.redis.resp import NOTHING, Answer, make_reader

if TYPE_CHECKING:
    import ssl

    from featurestore.online.redis.uri import Endpoint, Login, Tls

_BUFFER_BYTES = 65_536


class Link:
    """See the module. For one thread at a time.

    Attributes:
        greeting: what the server said of itself.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader = make_reader()
        self._buffer = bytearray(_BUFFER_BYTES)
        self._timeout_s = -1.0
        self.greeting = Greeting()

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

    def greet(self, login: Login, db: int, timeout_s: float) -> None:
        """Log in; raises LinkError, or ServerError when the server refuses."""
        steps = greet(login, db)
        question = next(steps)
        while True:
            answers = self.exchange(*question, timeout_s)
            try:
                question = steps.send(answers)
            except StopIteration as done:
                self.greeting = done.value
                return

    def is_usable(self) -> bool:
        """Say whether the server has neither closed the connection nor sent what nobody asked for."""
        with selectors.DefaultSelector() as selector:
            try:
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


def open_link(endpoint: Endpoint, tls: Tls | None, login: Login, db: int, timeout_s: float) -> Link:
    """Connect to a server and log in, all within the time.

    Raises:
        NotConnectedError: it cannot be reached, or takes too long.
        ServerError: it refuses the login, the database or one more client.
    """
    deadline = time.monotonic() + timeout_s
    try:
        link = Link(_connected(endpoint, tls, timeout_s))
    except OSError as problem:
        raise not_connected(problem) from problem
    try:
        link.greet(login, db, max(deadline - time.monotonic(), 0.001))
    except LinkError as problem:
        link.close()
        raise not_connected(problem) from problem
    except BaseException:
        link.close()
        raise
    return link


def _connected(endpoint: Endpoint, tls: Tls | None, timeout_s: float) -> socket.socket:
    if endpoint.path:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(timeout_s)
            connected.connect(endpoint.path)
        except BaseException:
            connected.close()
            raise
        return connected
    connected = socket.create_connection((endpoint.host, endpoint.port), timeout_s)
    try:
        prepare(connected)
        return connected if tls is None else tls_context(tls).wrap_socket(connected, server_hostname=endpoint.host)
    except BaseException:
        connected.close()
        raise


def prepare(connected: socket.socket) -> None:
    """Send small commands at once, and notice a peer that vanished without a word."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


@functools.lru_cache(maxsize=8)
def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return how to encrypt; certificates are read once."""
    import ssl

    context = ssl.create_default_context(cafile=tls.ca_certs)
    context.check_hostname = tls.is_hostname_checked and tls.cert_reqs == "required"
    context.verify_mode = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}[
        tls.cert_reqs
    ]
    if tls.certfile is not None:
        context.load_cert_chain(tls.certfile, tls.keyfile)
    return context
