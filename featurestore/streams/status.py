"""How a stream is doing, as its workers say it in the online store, and its broker and its folders beside them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from featurestore.streams.tally import Tally

if TYPE_CHECKING:
    from featurestore.online.protocol import OnlineStore

SILENT_S = 30.0
"""A worker that has said nothing for so long is gone, or cannot reach the store."""
_FORGOTTEN_S = 86_400.0
_PREFIX = "stream:worker:"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What one worker said last.

    Attributes:
        stream, worker, group: whose it is.
        said_at: when, Unix seconds.
        started_at: when the worker started.
        tally: what it has counted since then.
        has_ended: whether it said that it ends.
    """

    stream: str
    worker: str
    group: str
    said_at: float
    started_at: float
    tally: Tally
    has_ended: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it has said something lately, and not that it ends."""
        return not self.has_ended and time.time() - self.said_at <= SILENT_S

    @property
    def events_per_s(self) -> float:
        """Messages a second since its start."""
        return self.tally.messages / max(0.001, self.said_at - self.started_at)


def write_status(store: OnlineStore, status: WorkerStatus) -> None:
    """Say how a worker is doing. Raises OnlineStoreError."""
    store.write_note(f"{_PREFIX}{status.stream}:{status.worker}", msgspec.json.encode(status))


def read_statuses(store: OnlineStore, stream: str) -> tuple[WorkerStatus, ...]:
    """What the workers of a stream said, the newest first; what is older than a day is removed.

    Raises:
        OnlineStoreError: the store cannot be reached.
    """
    found = []
    for name in store.notes(f"{_PREFIX}{stream}:"):
        note = store.read_note(name)
        try:
            status = None if note is None else msgspec.json.decode(note, type=WorkerStatus)
        except msgspec.DecodeError:
            status = None
        if status is None or time.time() - status.said_at > _FORGOTTEN_S:
            if note is not None:
                store.swap_note(name, note, None)
            continue
        found.append(status)
    return tuple(sorted(found, key=lambda status: -status.said_at))
