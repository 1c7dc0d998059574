"""Steps that overlap: the next item is made in a thread while this one is used, and several are used at once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from featurestore.waiting import result_of
from featurestore.warehouse.worker import one_thread, stop_work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_ahead(items: Iterable[Item], *, abandon: Callable[[], None]) -> Generator[Item, None, None]:
    """Yield the items in order; while the caller uses one, a thread makes the next.

    At most two items exist at a time. An error in making an item is raised where it would have been yielded.

    Args:
        items: made one by one in the thread.
        abandon: called when nobody wants the rest (an error, Ctrl-C, or the generator is closed), so that the item
            being made is not waited for; again while it is still being made, since a query that is about to begin
            cannot be given up yet.
    """
    iterator = iter(items)
    with one_thread("one-ahead") as thread:
        try:
            waiting = thread.submit(_next_of, iterator)
            while made := result_of(waiting):
                waiting = thread.submit(_next_of, iterator)
                yield made[0]
        except BaseException:
            stop_work(thread, abandon)
            raise


def in_threads(
    use: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Generator[tuple[Item, Result], None, None]:
    """Use each item in one of so many threads; yields the items with their results, in order.

    At most ``threads + 1`` items are held at a time. After an error no further item is begun, those under way are
    waited for, and the error is raised.
    """
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="in-threads") as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(use, item)))
                while len(waiting) > threads:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            for _, future in waiting:
                future.cancel()


def _first(waiting: deque[tuple[Item, Future[Result]]]) -> tuple[Item, Result]:
    item, future = waiting.popleft()
    return item, result_of(future)


def _next_of(iterator: Iterator[Item]) -> list[Item]:
    """The next item in a list; an empty list at the end (StopIteration does not travel between threads)."""
    for item in iterator:
        return [item]
    return []
