"""Waiting that Ctrl-C can end: the work is done in another thread, and the main one waits for it a little at a time.

A signal wakes a waiting main thread only if nothing has asked for restarted system calls, and some libraries do:
polars, when it is imported. So the wait is made of short ones.
"""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Result = TypeVar("Result")

_ONE_WAIT_S = 0.1


def result_of(future: Future[Result]) -> Result:
    """Wait for the work to end; returns or raises what it did. Raises KeyboardInterrupt within 0.1 s of a Ctrl-C."""
    while not future.done():
        wait((future,), timeout=_ONE_WAIT_S)
    return future.result()
