"""Clients that take too long or send too much: what uvicorn keeps for one is bounded, and its connection is closed.

Shape: `bounded_protocol`, which counts what arrives, and `close_slow_clients`, which looks at all connections now and
then, so that a request in time pays next to nothing. The rules: a request's head has 64 KiB and `Limits.header_s`, its
body `Limits.body_s`; who does not read the answer is cut off.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from featurestore.server.problems import error_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from featurestore.definitions.server import Limits

MOST_HEAD_BYTES = 64 << 10
READ_WITHIN_S = 30.0
_FRAMING = 16
"""A body in chunks of a byte each arrives as so many times its size at most, near enough."""


class Awaited(Enum):
    """What of a connection's client is waited for."""

    HEAD = "the request's head"
    BODY = "the request's body"
    END = "the end of a body that was answered already"
    READING = "that the client reads its answer"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `bounded_protocol` makes the class that a server uses."""

    most_message_bytes: ClassVar[int]
    _is_in_head = False
    _bytes = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_in_head = True
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and count what of it is kept."""
        super().data_received(data)
        if self._is_in_head:
            self._bytes += len(data)
            if self._bytes > MOST_HEAD_BYTES:
                self._refuse(
                    431, "Request Header Fields Too Large", f"expected a head of {MOST_HEAD_BYTES} bytes at most"
                )
        elif self.cycle is not None and self.cycle.more_body:
            self._bytes += len(data)
            if self._bytes > self.most_message_bytes:
                self.transport.close()

    def awaited(self) -> tuple[Awaited, object] | None:
        """What is waited for, and of which request; None if the client owes nothing."""
        cycle = self.cycle
        if self.flow.write_paused:
            return Awaited.READING, cycle
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            return None
        if cycle is None or self._is_in_head:
            return Awaited.HEAD, cycle
        if cycle.response_complete:
            return None if self.timeout_keep_alive_task is not None else (Awaited.END, cycle)
        return (Awaited.BODY, cycle) if cycle.more_body and not cycle.response_started else None

    def give_up(self, awaited: Awaited) -> None:
        """Close the connection; who began a request and did not finish it is told why."""
        if awaited is Awaited.READING:
            self.transport.abort()
        elif awaited is Awaited.END or (awaited is Awaited.HEAD and not self._is_in_head):
            self.transport.close()
        else:
            self._refuse(408, "Request Timeout", f"{awaited.value} did not come in time")

    def _refuse(self, status: int, reason: str, message: str) -> None:
        if self.transport.is_closing():
            return
        body = error_body(message)
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


def bounded_protocol(limits: Limits) -> type[BoundedProtocol]:
    """Make the protocol of a server with these limits."""

    class Bounded(BoundedProtocol):
        most_message_bytes = MOST_HEAD_BYTES + _FRAMING * limits.body_bytes

    return Bounded


class SlowClients:
    """Who has been waited for, and since when."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._within_s = {
            Awaited.HEAD: limits.header_s,
            Awaited.BODY: limits.body_s,
            Awaited.END: limits.body_s,
            Awaited.READING: READ_WITHIN_S,
        }
        self._since: dict[BoundedProtocol, tuple[tuple[Awaited, object], float]] = {}

    def look(self, connections: Iterable[object]) -> None:
        """Close the connections that have been waited for too long."""
        now = self._clock()
        still: dict[BoundedProtocol, tuple[tuple[Awaited, object], float]] = {}
        for connection in tuple(connections):
            awaited = connection.awaited() if isinstance(connection, BoundedProtocol) else None
            if awaited is None:
                continue
            assert isinstance(connection, BoundedProtocol)
            before, since = self._since.get(connection, (None, now))
            if before != awaited:
                since = now
            if now - since > self._within_s[awaited[0]]:
                connection.give_up(awaited[0])
            else:
                still[connection] = (awaited, since)
        self._since = still


async def close_slow_clients(connections: Iterable[object], limits: Limits) -> None:
    """Look at a server's connections until cancelled."""
    slow = SlowClients(limits)
    pause_s = min(1.0, limits.header_s / 4, limits.body_s / 4)
    while True:
        await asyncio.sleep(pause_s)
        slow.look(connections)
