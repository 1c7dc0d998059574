"""Clients that take too long: all connections are looked at now and then, so that a request in time pays nothing.

The rules: a request's head has `Limits.header_s`, its body `Limits.body_s`; who does not read the answer is cut off,
and so is who asks nothing more for long. Time in which the server itself stood still (a starved or suspended machine)
counts against nobody: what was sent meanwhile has not been read yet.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from featurestore.server.connection import Awaited, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from featurestore.definitions.server import Limits

READ_WITHIN_S = 30.0
KEEP_ALIVE_S = 75.0


class SlowClients:
    """Who has been waited for, and since when; `look` at them every `pause_s` seconds."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        self._listened_s = 0.0
        self.pause_s = min(1.0, limits.header_s / 4, limits.body_s / 4)
        self._within_s = {
            Awaited.HEAD: limits.header_s,
            Awaited.BODY: limits.body_s,
            Awaited.END: limits.body_s,
            Awaited.NEXT: KEEP_ALIVE_S,
            Awaited.READING: READ_WITHIN_S,
        }
        self._since: dict[Connection, tuple[tuple[Awaited, int], float]] = {}

    def look(self, connections: Iterable[object]) -> None:
        """Close the connections that have been waited for too long."""
        now = self._clock()
        self._listened_s += min(now - self._looked, self.pause_s)
        self._looked = now
        still: dict[Connection, tuple[tuple[Awaited, int], float]] = {}
        for connection in tuple(connections):
            awaited = connection.awaited() if isinstance(connection, Connection) else None
            if awaited is None:
                continue
            assert isinstance(connection, Connection)
            state = (awaited, connection.requests)
            before, since = self._since.get(connection, (None, self._listened_s))
            if before != state:
                since = self._listened_s
            if self._listened_s - since > self._within_s[awaited]:
                connection.give_up(awaited)
            else:
                still[connection] = (state, since)
        self._since = still


async def close_slow_clients(connections: Iterable[object], limits: Limits) -> None:
    """Look at a server's connections until cancelled."""
    slow = SlowClients(limits)
    while True:
        await asyncio.sleep(slow.pause_s)
        slow.look(connections)
