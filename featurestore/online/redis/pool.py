"""A bounded pool of links to one server; who finds none free waits a moment.

The rule: a link that another process made is closed, never used; after a broken one all idle ones are, since what
broke it broke them too.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from featurestore.online.redis.replies import BusyError, LinkError, LinkTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.online.redis.link import Link


class Pool:
    """Links to one server.

    Args:
        connect: makes a link; raises NotConnectedError or ServerError.
        size: how many there may be.
        wait_s: how long to wait for one.
    """

    def __init__(self, connect: Callable[[], Link], *, size: int, wait_s: float) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._idle: list[Link] = []
        self._process = os.getpid()
        self._free = threading.Semaphore(size)

    @contextmanager
    def link(self, *, is_checked: bool = False) -> Iterator[Link]:
        """Lend a link; any exception inside the block throws it away.

        Args:
            is_checked: make sure that the server has not closed it meanwhile.
        """
        link = self.take(is_checked=is_checked)
        try:
            yield link
        except BaseException as problem:
            self.drop(link, problem)
            raise
        self.give_back(link)

    def take(self, *, is_checked: bool = False) -> Link:
        """Take a link; `give_back` or `drop` must follow."""
        if self._process != os.getpid():
            self._start_anew()
        if not self._free.acquire(timeout=self._wait_s):
            raise BusyError(f"all {self._size} connections are in use")
        try:
            while (link := self._pop()) is not None:
                if not is_checked or link.is_usable():
                    return link
                link.close()
            return self._connect()
        except BaseException:
            self._free.release()
            raise

    def give_back(self, link: Link) -> None:
        """Return a link that has no answers outstanding."""
        self._idle.append(link)
        self._free.release()

    def drop(self, link: Link, problem: BaseException) -> None:
        """Close a link that must not be used again, and all idle ones if it broke."""
        link.close()
        if isinstance(problem, LinkError) and not isinstance(problem, LinkTimeoutError):
            self.close()
        self._free.release()

    def close(self) -> None:
        """Close the idle links."""
        while (link := self._pop()) is not None:
            link.close()

    def _pop(self) -> Link | None:
        """Take the idle link that was used last."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _start_anew(self) -> None:
        """Forget links and locks of the process that we were forked from; closing its sockets here harms nobody."""
        self._process = os.getpid()
        self.close()
        self._free = threading.Semaphore(self._size)
