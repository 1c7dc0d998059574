"""So many lookups ask the store at once, so many wait for their turn, and the rest is told to come again."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from featurestore.definitions.server import Limits

_COME_AGAIN = ((b"retry-after", b"1"),)


class Turns:
    """The turns of one worker; for one event loop.

    Attributes:
        free: turns that nobody has.
    """

    def __init__(self, limits: Limits) -> None:
        self.free = limits.store_calls
        self._most_waiting = limits.waiting
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take_now(self) -> bool:
        """Take a turn if one is free; returns whether it was."""
        if self.free:
            self.free -= 1
            return True
        return False

    async def take(self) -> None:
        """Take a turn, when one is free. Raises RefusedError (429) when too many wait already."""
        if self.take_now():
            return
        if len(self._waiting) >= self._most_waiting:
            raise RefusedError(429, "too many requests at once", hint="ask again in a second", headers=_COME_AGAIN)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self.give()
            else:
                with suppress(ValueError):  # it was taken out just now
                    self._waiting.remove(turn)
            raise

    def give(self) -> None:
        """Give a turn back, to the next who waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
