"""Work in a thread of its own: Ctrl-C is heard at once, and stops a statement in the warehouse and not only here.

A statement that has not begun yet in the warehouse cannot be stopped there, and a cancel that comes so early is lost.
So it is sent again until the work has ended.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from featurestore.waiting import result_of

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_UNTIL_NEXT_STOP_S = 0.5


class Worker:
    """One thread that talks to a warehouse; what it is given runs in order.

    Args:
        name: of the thread.
        cancel: stops, from another thread, what runs in the warehouse now; called again while it goes on.
    """

    def __init__(self, name: str, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._thread = one_thread(name)

    def run(self, work: Callable[[], Result]) -> Result:
        """Do it there and wait; a KeyboardInterrupt cancels it in the warehouse, and is raised when it has ended."""
        try:
            return result_of(self._thread.submit(work))
        except KeyboardInterrupt:
            stop_work(self._thread, self._cancel)
            raise

    def leave(self, work: Callable[[], object]) -> None:
        """Do it there after all else, and do not wait."""
        self._thread.submit(work)

    def close(self) -> None:
        """Wait for what was given, and end the thread."""
        self._thread.shutdown()


def one_thread(name: str) -> ThreadPoolExecutor:
    """Start a thread that does what it is given, in order.

    It runs before it is given anything: an executor that Ctrl-C strikes while it starts a thread forgets that thread.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    thread.submit(_nothing)
    return thread


def stop_work(thread: ThreadPoolExecutor, stop: Callable[[], None]) -> None:
    """Call `stop`, and again until `one_thread` has done all that it was given; another KeyboardInterrupt gets out."""
    last = thread.submit(_nothing)
    stop()
    while wait((last,), timeout=_UNTIL_NEXT_STOP_S).not_done:
        stop()


def _nothing() -> None:
    """Work that is done at once."""
