"""Work one step ahead: the next item is made in a thread while this one is used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from featurestore.warehouse.worker import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Item = TypeVar("Item")


def one_ahead(items: Iterable[Item], *, abandon: Callable[[], None]) -> Generator[Item, None, None]:
    """Yield the items in order; while the caller uses one, a thread makes the next.

    At most two items exist at a time. An error in making an item is raised where it would have been yielded.

    Args:
        items: made one by one in the thread.
        abandon: called when nobody wants the rest (an error, Ctrl-C, or the generator is closed), so that the item
            being made is not waited for.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="one-ahead") as thread:
        try:
            waiting = thread.submit(_next_of, iterator)
            while made := result_of(waiting):
                waiting = thread.submit(_next_of, iterator)
                yield made[0]
        except BaseException:
            abandon()
            raise


def _next_of(iterator: Iterator[Item]) -> list[Item]:
    """The next item in a list; an empty list at the end (StopIteration does not travel between threads)."""
    for item in iterator:
        return [item]
    return []
