"""Decoded rows kept for a moment in this process: bounded in number (the longest unused leave) and in age.

A row that is absent is kept too. Ages against a view's ttl are judged at each request, never here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = list[object]
    Shelf = OrderedDict[bytes, tuple[float, Row | None]]

CACHE_ENTRIES = 100_000
CACHE_SECONDS = 2.0


def make_cache(entries: int | None, seconds: float | None) -> RowCache | None:
    """Make a cache if one of the bounds is given; the other is `CACHE_ENTRIES` or `CACHE_SECONDS` then.

    Raises:
        UsageError: a bound that is not positive.
    """
    if entries is None and seconds is None:
        return None
    entries = CACHE_ENTRIES if entries is None else entries
    seconds = CACHE_SECONDS if seconds is None else seconds
    if not (entries > 0 and seconds > 0):
        raise UsageError(
            f"expected positive bounds of the cache, got cache_entries={entries}, cache_seconds={seconds}",
            hint="leave both out to read every row from the store",
        )
    return RowCache(entries=entries, seconds=seconds)


class RowCache:
    """Rows by key; for threads, and for a process that forks: there is no lock, since each step is one of a dict.

    Attributes:
        entries: how many rows are kept.
        seconds: for how long.
    """

    def __init__(self, *, entries: int, seconds: float) -> None:
        self.entries = entries
        self.seconds = seconds
        self._shelf: Shelf = OrderedDict()

    @property
    def shelf(self) -> Shelf:
        """Where rows are kept until the next `clear`; what is put on an older shelf is seen by nobody."""
        return self._shelf

    def clear(self) -> None:
        """Forget all rows, and those that are being read just now."""
        self._shelf = OrderedDict()

    def find(self, shelf: Shelf, keys: Iterable[bytes]) -> dict[bytes, Row | None]:
        """Return the rows that are there and young enough; None for a row that the store had not."""
        oldest = time.monotonic() - self.seconds
        found: dict[bytes, Row | None] = {}
        for key in keys:
            kept = shelf.get(key)
            if kept is None:
                continue
            if kept[0] < oldest:
                shelf.pop(key, None)
                continue
            found[key] = kept[1]
            try:
                shelf.move_to_end(key)
            except KeyError:
                shelf[key] = kept  # another thread has just pushed it out
        return found

    def keep(self, shelf: Shelf, keys: Sequence[bytes], rows: Sequence[Row | None], *, read_at: float) -> None:
        """Keep rows that were asked for at `read_at`, monotonic seconds."""
        for key, row in zip(keys, rows, strict=True):
            shelf[key] = (read_at, row)
            shelf.move_to_end(key)
        while len(shelf) > self.entries:
            try:
                shelf.popitem(last=False)
            except KeyError:
                return  # other threads have pushed out the rest
