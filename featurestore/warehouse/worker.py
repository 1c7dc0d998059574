"""Work in a thread of its own: Ctrl-C is heard at once, and stops a statement in the warehouse and not only here.

A signal wakes a waiting main thread only if nothing has asked for restarted system calls, and some libraries do:
polars, when it is imported. So the wait is made of short ones.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_ONE_WAIT_S = 0.1


class Worker:
    """One thread that talks to a warehouse; what it is given runs in order.

    Args:
        name: of the thread.
        cancel: stops, from another thread, what runs in the warehouse now.
    """

    def __init__(self, name: str, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def run(self, work: Callable[[], Result]) -> Result:
        """Do it there and wait; a KeyboardInterrupt cancels it in the warehouse first."""
        future = self._thread.submit(work)
        try:
            return result_of(future)
        except KeyboardInterrupt:
            self._cancel()
            raise

    def leave(self, work: Callable[[], object]) -> None:
        """Do it there after all else, and do not wait."""
        self._thread.submit(work)

    def close(self) -> None:
        """Wait for what was given, and end the thread."""
        self._thread.shutdown()


def result_of(future: Future[Result]) -> Result:
    """Wait for the work to end; returns or raises what it did. Raises KeyboardInterrupt within 0.1 s of a Ctrl-C."""
    while not future.done():
        wait((future,), timeout=_ONE_WAIT_S)
    return future.result()
