"""Work one step ahead: the next item is made in a thread while this one is used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items in order; while the caller uses one, a thread makes the next.

    At most two items exist at a time. An error in making an item is raised where it would have been yielded.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="one-ahead") as thread:
        waiting = thread.submit(_next_of, iterator)
        while True:
            made = waiting.result()
            if not made:
                return
            waiting = thread.submit(_next_of, iterator)
            yield made[0]


def _next_of(iterator: Iterator[Item]) -> list[Item]:
    """The next item in a list; an empty list at the end (StopIteration does not travel between threads)."""
    for item in iterator:
        return [item]
    return []
