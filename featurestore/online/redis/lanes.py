"""The asyncio connections to one server: one per event loop, opened when first asked, and bounded.

The rule: a connection of a closed loop is never used.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from featurestore.online.redis.deadline import SAYS_WHY_S, left_s
from featurestore.online.redis.replies import BusyError, NotConnectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.resp import Answer
    from featurestore.online.redis.uri import Limits


class Lanes:
    """One `Lane` per event loop.

    Args:
        connect: makes a connection on the running loop; raises NotConnectedError or ServerError.
        limits: times and counts.
    """

    def __init__(self, connect: Callable[[], Awaitable[Mux]], limits: Limits) -> None:
        self._connect = connect
        self._limits = limits
        self._lock = threading.Lock()
        self._lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Lane] = weakref.WeakKeyDictionary()

    def current(self) -> Lane:
        """Return the lane of the running loop."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            with self._lock:
                self._sweep()
                lane = self._lanes.setdefault(loop, Lane(loop, self._connect, self._limits))
        return lane

    def close(self) -> None:
        """Close all connections; those of loops that run elsewhere are closed there."""
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.close_from_anywhere()

    def _sweep(self) -> None:
        """Close what closed loops left open."""
        for loop, lane in list(self._lanes.items()):
            if loop.is_closed():
                lane.close_from_anywhere()
                del self._lanes[loop]


class Lane:
    """The connection of one event loop to one server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connect: Callable[[], Awaitable[Mux]], limits: Limits) -> None:
        self._loop = weakref.ref(loop)
        self._connect = connect
        self._limits = limits
        self._mux: Mux | None = None
        self._opening: asyncio.Task[Mux] | None = None
        self._under_way = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def ask(self, packed: bytes, count: int, ready_by: float) -> list[Answer]:
        """Send commands and return their answers, errors of the server among them.

        Args:
            packed: the commands.
            count: how many they are.
            ready_by: when a turn and a connection must be there.

        Raises:
            BusyError: too many lookups are under way.
            NotConnectedError, LinkTimeoutError, LinkError: as the names say.
            ServerError: the server refused the connection.
        """
        if self._under_way < self._limits.max_requests:
            self._under_way += 1
        else:
            await self._wait_for_place(ready_by)
        try:
            mux = self._mux
            if mux is None or not mux.is_open:
                mux = await self._open(ready_by)
            return await mux.ask(packed, count, self._limits.read_timeout_s)
        finally:
            self._leave_place()

    def close_from_anywhere(self) -> None:
        """Close the connection, from whatever thread."""
        loop, mux, self._mux = self._loop(), self._mux, None
        if mux is None:
            return
        if loop is None or loop.is_closed():
            mux.close()
        else:
            loop.call_soon_threadsafe(mux.close)

    async def _open(self, ready_by: float) -> Mux:
        """Open the connection once for all who ask meanwhile."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._connect())
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        await asyncio.wait({opening}, timeout=left_s(ready_by) + SAYS_WHY_S)
        if not opening.done():
            raise NotConnectedError("no connection in time")
        return opening.result()

    def _opened(self, task: asyncio.Task[Mux]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._mux = task.result()

    async def _wait_for_place(self, ready_by: float) -> None:
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._queue.append(place)
        timer = loop.call_later(left_s(ready_by), _give_up, place, self._limits.max_requests)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._leave_place()  # it was handed over just before
            raise
        finally:
            timer.cancel()

    def _leave_place(self) -> None:
        """Hand it to the first who waits, before somebody new can take it."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._under_way -= 1


def _give_up(place: asyncio.Future[None], most: int) -> None:
    if not place.done():
        place.set_exception(BusyError(f"{most} lookups are under way"))
