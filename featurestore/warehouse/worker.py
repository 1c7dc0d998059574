"""Statements run in a thread of their own, so that Ctrl-C stops them in the warehouse and not only here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from featurestore.warehouse.waiting import result_of

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


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
