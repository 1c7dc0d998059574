"""One server: links for lookups, links for the patient work, a connection per event loop, and a circuit breaker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from featurestore.online.redis.breaker import Breaker
from featurestore.online.redis.pool import Pool
from featurestore.online.redis.replies import BusyError, LinkError, LinkTimeoutError, NotConnectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from featurestore.online.redis.lanes import Lane, Lanes
    from featurestore.online.redis.link import Link
    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.resp import Answer
    from featurestore.online.redis.uri import Limits

PATIENT_CONNECT_S = 1.0


class Node:
    """One server of a store.

    Args:
        name: ``host:port`` as its topology calls it.
        connect: makes a link before a moment of the monotonic clock; raises NotConnectedError or ServerError.
        aconnect: the same on the running event loop, within the time for it.
        limits: times and counts.
        moves: whether the next connection may be to another server.

    Attributes:
        name: as given.
        quick: links for lookups.
        patient: links for writes, notes and the like.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[float], Link],
        aconnect: Callable[[], Awaitable[Mux]],
        *,
        limits: Limits,
        moves: bool = False,
    ) -> None:
        self.name = name
        self._limits = limits
        size, quick_s = limits.max_connections, limits.connect_timeout_s
        patient_s = max(quick_s, PATIENT_CONNECT_S)
        self.quick = Pool(connect, size=size, wait_s=quick_s, connect_s=quick_s, moves=moves)
        self.patient = Pool(connect, size=size, wait_s=limits.write_timeout_s, connect_s=patient_s, moves=moves)
        self._aconnect = aconnect
        self._lanes: Lanes | None = None
        self._lanes_lock = threading.Lock()
        self._breaker = Breaker(limits.breaker_failures, limits.breaker_pause_s)

    def look_up(self, packed: bytes, count: int) -> list[Answer]:
        """Send a lookup's commands and return their answers, errors of the server among them.

        On a connection that broke or gave no answer in time the lookup is sent once more, on a new one; all of it
        takes no longer than `Limits.lookup_s`.

        Raises:
            LinkError: no answer; BreakerOpenError when none was tried for.
            ServerError: the server refused the connection.
        """
        self._breaker.check()
        timeout_s = self._limits.read_timeout_s
        ready_by = time.monotonic() + self._limits.connect_timeout_s
        try:
            link = self.quick.take(until=ready_by)
            try:
                answers = link.exchange(packed, count, timeout_s)
            except LinkError as problem:
                self.quick.drop(link, problem)
                answers = self._exchange_anew(packed, count, ready_by + timeout_s)
            except BaseException as problem:
                self.quick.drop(link, problem)
                raise
            else:
                self.quick.give_back(link)
        except LinkError as problem:
            self._count(problem)
            raise
        self._breaker.succeeded()
        return answers

    async def alook_up(self, packed: bytes, count: int) -> list[Answer]:
        """Do what `look_up` does, on the running event loop."""
        self._breaker.check()
        lane = self._lane()
        ready_by = time.monotonic() + self._limits.connect_timeout_s
        try:
            try:
                answers = await lane.ask(packed, count, ready_by)
            except NotConnectedError:
                raise
            except LinkError:
                answers = await lane.ask(packed, count, ready_by + self._limits.read_timeout_s)
        except LinkError as problem:
            self._count(problem)
            raise
        self._breaker.succeeded()
        return answers

    def send(self, packed: bytes, ready_by: float, *, is_new: bool) -> Link:
        """Send a lookup's commands, once; `receive` or `leave` must follow.

        Args:
            packed: the commands.
            ready_by: when a connection must be there.
            is_new: whether to make a new one for it.

        Raises:
            LinkError: they could not be sent; BreakerOpenError when it was not tried.
            ServerError: the server refused the connection.
        """
        self._breaker.check()
        try:
            link = self.quick.take(until=ready_by, is_new=is_new)
            try:
                link.send(packed, self._limits.read_timeout_s)
            except BaseException as problem:
                self.quick.drop(link, problem)
                raise
        except LinkError as problem:
            self._count(problem)
            raise
        return link

    def receive(self, link: Link, count: int, timeout_s: float) -> list[Answer]:
        """Return the answers to what was sent; raises LinkError."""
        try:
            answers = link.receive(count, timeout_s)
        except BaseException as problem:
            self.quick.drop(link, problem)
            if isinstance(problem, LinkError):
                self._count(problem)
            raise
        self.quick.give_back(link)
        self._breaker.succeeded()
        return answers

    def leave(self, link: Link) -> None:
        """Throw away a link whose answers nobody will read."""
        self.quick.drop(link, LinkTimeoutError("its answers are not wanted"))

    async def aexchange(self, packed: bytes, count: int, ready_by: float) -> list[Answer]:
        """Send a lookup's commands, once, on the running event loop, and return their answers; raises as `send`."""
        self._breaker.check()
        try:
            answers = await self._lane().ask(packed, count, ready_by)
        except LinkError as problem:
            self._count(problem)
            raise
        self._breaker.succeeded()
        return answers

    def forget(self) -> None:
        """Close the idle links; the next use makes new ones, to another server if it has moved."""
        self.quick.close()
        self.patient.close()
        if self._lanes is not None:
            self._lanes.close()

    def abandon(self) -> None:
        """Close this process's copies of the idle links of the one that it was forked from."""
        self.quick.close()
        self.patient.close()

    def _lane(self) -> Lane:
        """Return the connection of the running loop; asyncio is loaded only for those who use it."""
        if self._lanes is None:
            from featurestore.online.redis.lanes import Lanes

            with self._lanes_lock:
                self._lanes = self._lanes or Lanes(self._aconnect, self._limits)
        return self._lanes.current()

    def _exchange_anew(self, packed: bytes, count: int, ready_by: float) -> list[Answer]:
        link = self.quick.take(until=ready_by, is_new=True)
        try:
            answers = link.exchange(packed, count, self._limits.read_timeout_s)
        except BaseException as problem:
            self.quick.drop(link, problem)
            raise
        self.quick.give_back(link)
        return answers

    def _count(self, problem: LinkError) -> None:
        if not isinstance(problem, BusyError):
            self._breaker.failed()
