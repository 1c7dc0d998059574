"""An online store in this process: for tests and notebooks; the smallest statement of the protocol.

Stores of one URI (``memory:``, ``memory:name``) share their rows within the process, and vanish with it.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
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
class _Shelf:
    """What stores of one name share."""

    rows: dict[bytes, _Row] = field(default_factory=dict)
    notes: dict[tuple[str, str], bytes] = field(default_factory=dict)
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

    def __init__(self, shelf: _Shelf, *, project: str) -> None:
        self._shelf = shelf
        self._project = project

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of `keys`, None where there is none or it has expired."""
        now_ms = time.time_ns() // 1_000_000
        with self._shelf.lock:
            found = [self._shelf.rows.get(key) for key in keys]
        return [row.value if row is not None and row.is_alive(now_ms) else None for row in found]

    def write(self, batch: RowBatch) -> int:
        """Write rows under the guard; returns how many landed."""
        now_ms = time.time_ns() // 1_000_000
        landed = 0
        with self._shelf.lock:
            for index, key in enumerate(batch.keys):
                order = (batch.event_us[index], batch.created_us[index])
                stored = self._shelf.rows.get(key)
                if stored is not None and stored.is_alive(now_ms) and order < stored.order:
                    continue
                expires_ms = None if batch.expires_ms is None else batch.expires_ms[index]
                self._shelf.rows[key] = _Row(value=batch.values[index], order=order, expires_ms=expires_ms)
                landed += 1
        return landed

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        now_ms = time.time_ns() // 1_000_000
        with self._shelf.lock:
            removed = [self._shelf.rows.pop(key, None) for key in keys]
        return sum(row is not None and row.is_alive(now_ms) for row in removed)

    def read_note(self, name: str) -> bytes | None:
        """Read a note."""
        with self._shelf.lock:
            return self._shelf.notes.get((self._project, name))

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._shelf.lock:
            self._shelf.notes[self._project, name] = value

    def close(self) -> None:
        """Keep the rows: other stores of this name still see them."""
