"""An online store in this process: for tests and notebooks; the smallest statement of the protocol.

Stores of one URI (``memory:``, ``memory:name``) share their rows within the process, and vanish with it.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

from featurestore.online.protocol import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from featurestore.online.protocol import OnlineStore, RowBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    value: bytes
    order: tuple[int, int]
    expires_ms: int | None

    def is_alive(self, now_ms: int) -> bool:
        return self.expires_ms is None or self.expires_ms > now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    owner: str
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """What stores of one name share."""

    rows: dict[bytes, _Row] = field(default_factory=dict)
    notes: dict[tuple[str, str], bytes] = field(default_factory=dict)
    leases: dict[tuple[str, str], _Lease] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@functools.cache
def _shelf(name: str) -> _Shelf:  # noqa: ARG001 -- the cache tells names apart
    """Return the shelf of this name: process state is the point of this store."""
    return _Shelf()


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:  # noqa: ARG001 -- no path is needed
    """Open the store ``memory:NAME``; the name may be empty."""
    return MemoryStore(_shelf(uri.partition(":")[2]), project=project)


class MemoryStore:
    """See `online.protocol.OnlineStore`."""

    keeps_key_order = False

    def __init__(self, shelf: _Shelf, *, project: str) -> None:
        self._shelf = shelf
        self._project = project

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, None where there is none or it has expired; then the notes."""
        now_ms = time.time_ns() // 1_000_000
        with self._shelf.lock:
            found = [self._shelf.rows.get(key) for key in keys]
            noted = [self._shelf.notes.get((self._project, name)) for name in notes]
        return [row.value if row is not None and row.is_alive(now_ms) else None for row in found] + noted

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read as `read` does: nothing here waits."""
        return self.read(keys, notes)

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read as `read` does: nothing here waits."""
        return self.read(keys)

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:  # noqa: ARG002 -- nothing to gain here
        """Write rows under the guard; returns how many landed."""
        now_ms = time.time_ns() // 1_000_000
        keys, values = batch.keys.to_pylist(), batch.values.to_pylist()
        orders = list(zip(batch.event_us.to_pylist(), batch.created_us.to_pylist(), strict=True))
        expiries = repeat(None, len(keys)) if batch.expires_ms is None else batch.expires_ms.to_pylist()
        landed = 0
        with self._shelf.lock:
            for key, value, order, expires_ms in zip(keys, values, orders, expiries, strict=True):
                stored = self._shelf.rows.get(key)
                if stored is not None and stored.is_alive(now_ms) and order < stored.order:
                    continue
                self._shelf.rows[key] = _Row(value=value, order=order, expires_ms=expires_ms)
                landed += 1
        return landed

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        now_ms = time.time_ns() // 1_000_000
        with self._shelf.lock:
            removed = [self._shelf.rows.pop(key, None) for key in keys]
        return sum(row is not None and row.is_alive(now_ms) for row in removed)

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys that begin with `prefix`: one page."""
        now_ms = time.time_ns() // 1_000_000
        with self._shelf.lock:
            found = [key for key, row in self._shelf.rows.items() if key.startswith(prefix) and row.is_alive(now_ms)]
        if found:
            yield found

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes, about."""
        overhead = self.overhead_bytes(expiring=False)
        rows = zip(keys, self.read(keys), strict=True)
        return [0 if value is None else len(key) + len(value) + overhead for key, value in rows]

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say what the objects around one row take: two of bytes, a row, its times, a place in the dict."""
        return 360 if expiring else 330

    def read_note(self, name: str) -> bytes | None:
        """Read a note."""
        with self._shelf.lock:
            return self._shelf.notes.get((self._project, name))

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._shelf.lock:
            self._shelf.notes[self._project, name] = value

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`."""
        place = (self._project, name)
        with self._shelf.lock:
            if self._shelf.notes.get(place) != old:
                return False
            if new is None:
                self._shelf.notes.pop(place, None)
            else:
                self._shelf.notes[place] = new
        return True

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        with self._shelf.lock:
            names = [name for project, name in self._shelf.notes if project == self._project]
        return sorted(name for name in names if name.startswith(prefix))

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease; returns who holds it now."""
        place, now = (self._project, name), time.monotonic()
        with self._shelf.lock:
            held = self._shelf.leases.get(place)
            if held is not None and held.owner != owner and held.ends > now:
                return held.owner
            self._shelf.leases[place] = _Lease(owner=owner, ends=now + seconds)
        return owner

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease."""
        now = time.monotonic()
        with self._shelf.lock:
            held = self._shelf.leases.get((self._project, name))
        return None if held is None or held.ends <= now else Lease(owner=held.owner, ends_in_s=held.ends - now)

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        place = (self._project, name)
        with self._shelf.lock:
            held = self._shelf.leases.get(place)
            if held is not None and held.owner == owner:
                del self._shelf.leases[place]

    def close(self) -> None:
        """Keep the rows: other stores of this name still see them."""
