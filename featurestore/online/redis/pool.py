"""A bounded pool of links to one server; who finds none free waits in a row.

The rule: after a link that broke all idle ones are closed, since what broke it broke them too.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from featurestore.online.redis.deadline import left_s
from featurestore.online.redis.replies import BusyError, LinkError, LinkTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.online.redis.link import Link


class Pool:
    """Links to one server.

    Args:
        connect: makes a link before a moment of the monotonic clock; raises NotConnectedError or ServerError.
        size: how many there may be.
        wait_s: how long to wait for a place among them.
        connect_s: how long to connect.
        moves: whether another server may have taken its place: then a link that gives no answer is a broken one.
    """

    def __init__(
        self, connect: Callable[[float], Link], *, size: int, wait_s: float, connect_s: float, moves: bool
    ) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._connect_s = connect_s
        self._moves = moves
        self._idle: list[Link] = []
        self._lock = threading.Lock()
        self._row: deque[threading.Lock] = deque()
        self._free = size

    @contextmanager
    def link(self, *, is_checked: bool = False) -> Iterator[Link]:
        """Lend a link; any exception inside the block throws it away.

        Args:
            is_checked: as in `take`.
        """
        link = self.take(is_checked=is_checked)
        try:
            yield link
        except BaseException as problem:
            self.drop(link, problem)
            raise
        self.give_back(link)

    def take(self, *, until: float = math.inf, is_checked: bool = False, is_new: bool = False) -> Link:
        """Take a link; `give_back` or `drop` must follow.

        Args:
            until: when to give up, if not before.
            is_checked: make sure that it is usable, as far as can be known.
            is_new: make a new one, in the place of the one that was idle longest: another was dead already.

        Raises:
            BusyError: none became free in time.
            NotConnectedError, ServerError: none could be made.
        """
        self._take_place(until)
        try:
            if is_new:
                if (oldest := self._pop(0)) is not None:
                    oldest.close()
            else:
                while (link := self._pop()) is not None:
                    if not is_checked or link.is_usable():
                        return link
                    link.close()
            return self._connect(min(until, time.monotonic() + self._connect_s))
        except BaseException:
            self._return_place()
            raise

    def give_back(self, link: Link) -> None:
        """Return a link that has no answers outstanding; one that holds what nobody took is closed."""
        if link.has_leftovers():
            link.close()
        else:
            link.idle_since = time.monotonic()
            self._idle.append(link)
        self._return_place()

    def drop(self, link: Link, problem: BaseException) -> None:
        """Close a link that must not be used again, and all idle ones if it broke."""
        link.abort()
        if isinstance(problem, LinkError) and (self._moves or not isinstance(problem, LinkTimeoutError)):
            self.close()
        self._return_place()

    def close(self) -> None:
        """Close the idle links."""
        while (link := self._pop()) is not None:
            link.close()

    def _pop(self, place: int = -1) -> Link | None:
        """Take an idle link: the one that was used last, unless another place in the row is named."""
        try:
            return self._idle.pop(place)
        except IndexError:
            return None

    def _take_place(self, until: float) -> None:
        """Wait in a row: a semaphore lets those through who come again and again, and others starve."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._row.append(turn)
        try:
            has_place = turn.acquire(timeout=min(self._wait_s, left_s(until)))
        except BaseException:
            if not self._leave_row(turn):
                self._return_place()
            raise
        if not has_place and self._leave_row(turn):
            raise BusyError(f"all {self._size} connections are in use")

    def _leave_row(self, turn: threading.Lock) -> bool:
        """Say whether it was still in the row: else a place was given to it just now."""
        with self._lock:
            if turn not in self._row:
                return False
            self._row.remove(turn)
            return True

    def _return_place(self) -> None:
        with self._lock:
            if self._row:
                self._row.popleft().release()
            else:
                self._free += 1
