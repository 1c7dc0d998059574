"""How many syncs this server was asked for, by what became of them: read from the files that its helper keeps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.prometheus import Series

_RUNNING = "running"


class _State(msgspec.Struct):
    state: str


class JobCounts:
    """Reads each file until its job has ended, and then no more.

    Args:
        folder: of the helper's jobs; it may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: dict[str, str] = {}

    def series(self) -> Series:
        """Count them; for a thread."""
        running = 0
        files = list(self._folder.glob("*.json"))
        self._ended = {path.name: self._ended[path.name] for path in files if path.name in self._ended}
        for path in files:
            if path.name in self._ended:
                continue
            try:
                state = msgspec.json.decode(path.read_bytes(), type=_State).state
            except FileNotFoundError:  # an old one, which was just forgotten
                continue
            if state == _RUNNING:
                running += 1
            else:
                self._ended[path.name] = state
        counts = Counter(self._ended.values())
        counts[_RUNNING] = running
        return {("featurestore_jobs", state): count for state, count in counts.items()}
