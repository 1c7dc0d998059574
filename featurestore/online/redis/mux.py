"""One asyncio connection that many lookups share: commands in a row, answers in the same order.

The rule: the oldest lookup's time limit is the connection's; once it passes, the connection is thrown away with all
that wait on it, so that a late answer is never taken for that of another lookup.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from featurestore.online.redis.deadline import left_s, turn_ends
from featurestore.online.redis.greeting import Greeting, greet
from featurestore.online.redis.link import prepare, tls_context
from featurestore.online.redis.replies import LinkError, LinkTimeoutError, NotConnectedError, broken, not_connected
from featurestore.online.redis.resp import NOTHING, Answer, make_reader

if TYPE_CHECKING:
    from featurestore.online.redis.uri import Endpoint, Login, Tls

    _Address: TypeAlias = "tuple[Any, Any, int, str, tuple[Any, ...]]"


class _Waiting:
    """A question whose answers are still to come."""

    __slots__ = ("answers", "count", "deadline", "future")

    def __init__(self, future: asyncio.Future[list[Answer]], count: int, deadline: float) -> None:
        self.future = future
        self.count = count
        self.deadline = deadline
        self.answers: list[Answer] = []


class Mux(asyncio.Protocol):
    """See the module. For one event loop.

    Attributes:
        greeting: what the server said of itself.
        is_open: whether it can be asked.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, raw: socket.socket, *, has_tls: bool) -> None:
        self.greeting = Greeting()
        self.is_open = True
        self._loop = loop
        self._raw = raw
        self._has_tls = has_tls
        self._transport: asyncio.Transport | None = None
        self._reader = make_reader()
        self._waiting: deque[_Waiting] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, packed: bytes, count: int, timeout_s: float) -> asyncio.Future[list[Answer]]:
        """Send commands; the future gets their answers, or LinkError."""
        future: asyncio.Future[list[Answer]] = self._loop.create_future()
        if not self.is_open or self._transport is None:
            future.set_exception(LinkError("the connection is closed"))
            return future
        waiting = _Waiting(future, count, self._loop.time() + timeout_s)
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = self._loop.call_at(waiting.deadline, self._judge_time)
        if len(self._waiting) == 1:
            self._transport.write(packed)
        else:
            if not self._unsent:  # others ask in the same turn of the loop: one system call for all
                self._loop.call_soon(self._send)
            self._unsent.append(packed)
        return future

    async def greet(self, login: Login, db: int, until: float) -> None:
        """Log in; raises LinkError, or ServerError when the server refuses."""
        steps = greet(login, db)
        question = next(steps)
        while True:
            answers = await self.ask(*question, left_s(until))
            try:
                question = steps.send(answers)
            except StopIteration as done:
                self.greeting = done.value
                self._stop_timer()  # lookups have less time than the greeting had
                return

    def close(self) -> None:
        """Close the connection; on its own loop's thread, or when that loop will not run again."""
        self._fail(LinkError("the connection was closed"))
        if self._loop.is_closed() and not self._has_tls:  # which says goodbye by itself when it is collected
            self._raw.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no common class

    def data_received(self, data: bytes) -> None:
        """Hand answers to who waits for them, in order."""
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING:
                self._answered(answer)
        except LinkError as problem:
            self._fail(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        said = broken(exc) if isinstance(exc, OSError) else LinkError("the server closed the connection")
        self._fail(said)

    def _answered(self, answer: Answer) -> None:
        if not self._waiting:
            raise LinkError("the server said what nobody asked for")
        first = self._waiting[0]
        first.answers.append(answer)
        if len(first.answers) == first.count:
            self._waiting.popleft()
            if not first.future.done():  # it was cancelled: its answers are for nobody
                first.future.set_result(first.answers)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and self.is_open:
            self._transport.write(b"".join(unsent))

    def _judge_time(self) -> None:
        """One timer for all who wait: the first in the row has the least time left."""
        self._timer = None
        if not self._waiting:
            return
        deadline = self._waiting[0].deadline
        if deadline <= self._loop.time():
            self._waiting.rotate(-1)  # who tries again does so in this order: behind the slow one all were late again
            self._fail(LinkTimeoutError("no answer in time"))
        else:
            self._timer = self._loop.call_at(deadline, self._judge_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, problem: LinkError) -> None:
        self.is_open = False
        self._stop_timer()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not each.future.done() and not self._loop.is_closed():
                each.future.set_exception(problem)
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()


async def open_mux(endpoint: Endpoint, tls: Tls | None, login: Login, db: int, until: float) -> Mux:
    """Connect to a server and log in, all before a moment of the monotonic clock.

    Raises:
        NotConnectedError: it cannot be reached, or takes too long.
        ServerError: it refuses the login, the database or one more client.
    """
    try:
        mux = await asyncio.wait_for(_connected(endpoint, tls, until), left_s(until))
    except asyncio.TimeoutError as problem:
        raise NotConnectedError("no connection in time") from problem
    except OSError as problem:
        raise not_connected(problem) from problem
    try:
        await mux.greet(login, db, until)
    except LinkError as problem:
        mux.close()
        raise not_connected(problem) from problem
    except BaseException:
        mux.close()
        raise
    return mux


async def _connected(endpoint: Endpoint, tls: Tls | None, until: float) -> Mux:
    """Connect with a socket of our own, which can be closed even when its loop no longer runs."""
    loop = asyncio.get_running_loop()
    raw = await _first_connected(loop, endpoint, until)
    try:
        if endpoint.path:
            _, mux = await loop.create_unix_connection(lambda: Mux(loop, raw, has_tls=False), sock=raw)
            return mux
        prepare(raw)
        context = None if tls is None else tls_context(tls)
        name = None if tls is None else endpoint.host
        _, mux = await loop.create_connection(
            lambda: Mux(loop, raw, has_tls=tls is not None), sock=raw, ssl=context, server_hostname=name
        )
    except BaseException:
        raw.close()
        raise
    return mux


async def _first_connected(loop: asyncio.AbstractEventLoop, endpoint: Endpoint, until: float) -> socket.socket:
    """Connect to the first of a name's addresses that answers."""
    if endpoint.path:
        return await _connected_to(loop, socket.AF_UNIX, endpoint.path)
    found = await _addresses(loop, endpoint)
    for waiting in range(len(found), 1, -1):
        family, _, _, _, place = found[-waiting]
        try:
            return await asyncio.wait_for(_connected_to(loop, family, place), left_s(turn_ends(until, waiting)))
        except (OSError, asyncio.TimeoutError):
            continue
    family, _, _, _, place = found[-1]
    return await _connected_to(loop, family, place)


async def _addresses(loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> list[_Address]:
    """Look up a name; one that is an address already needs no thread, for which it might have to wait."""
    with suppress(socket.gaierror):
        return socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)


async def _connected_to(loop: asyncio.AbstractEventLoop, family: int, place: str | tuple[Any, ...]) -> socket.socket:
    raw = socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        await loop.sock_connect(raw, place)
    except BaseException:
        raw.close()
        raise
    return raw
