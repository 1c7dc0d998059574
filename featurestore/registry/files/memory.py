"""Registry documents in this process's memory, for tests and notebooks: a place without a URI, gone with its object."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featurestore.registry.files.protocol import segments

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class MemoryFiles:
    """One place, shared by whoever holds this object, threads too."""

    _data: dict[tuple[str, ...], bytes] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def location(self) -> str:
        """No place that others could look at."""
        return "memory"

    def names(self, folder: str = "") -> Sequence[str]:
        """Names of the files directly in a folder, sorted."""
        above = segments(folder)
        return sorted(path[-1] for path in self._paths() if path[:-1] == above)

    def folders(self, folder: str = "") -> Sequence[str]:
        """Names of the folders directly in a folder, sorted."""
        above = segments(folder)
        depth = len(above)
        return sorted({path[depth] for path in self._paths() if path[:depth] == above and len(path) > depth + 1})

    def read(self, name: str) -> bytes | None:
        """Read one file; None when there is none."""
        return self._data.get(segments(name))

    def stamp(self, name: str) -> str | None:
        """A checksum."""
        data = self.read(name)
        return None if data is None else f"{len(data)}-{zlib.crc32(data)}"

    def create(self, name: str, data: bytes) -> bool:
        """Create a file; False when the name is taken."""
        with self._lock:
            return self._data.setdefault(segments(name), data) is data

    def delete(self, name: str) -> bool:
        """Delete one file; False when there was none."""
        with self._lock:
            return self._data.pop(segments(name), None) is not None

    def _paths(self) -> list[tuple[str, ...]]:
        with self._lock:
            return list(self._data)
