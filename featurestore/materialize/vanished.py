"""Keys that the model no longer has: a full sync finds them, and writes tombstones in their place.

A tombstone has the times of the row it buries. So it lands only if that row did not move meanwhile (SEMANTICS O1), and
any row that comes back, even the same one, lands over it.
"""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurestore.materialize.key_hashes import key_hashes
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER, HEADER_CELLS, tombstone
from featurestore.online.keys import key_prefix
from featurestore.online.protocol import NO_CREATED_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.pieces import Numbers
    from featurestore.online.protocol import OnlineStore

KEPT_MS = 30 * 86_400_000
"""How long a tombstone stays to keep rows away that are older than the one it buried."""


class KeysSeen:
    """The keys of a sync as hashes of 64 bits: 8 bytes a key. Two keys of one hash only leave a vanished one alive."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def __len__(self) -> int:
        """Count the keys; one that was seen twice counts twice."""
        return len(self._hashes)

    def add(self, keys: pa.Array) -> None:
        """Remember keys."""
        self.add_hashes(key_hashes(keys))

    def add_hashes(self, hashes: Numbers) -> None:
        """Remember keys by their `key_hashes`, wherever these were made."""
        self._hashes.frombytes(hashes.tobytes())

    def update(self, others: KeysSeen) -> None:
        """Remember the keys of another slice."""
        self._hashes.extend(others._hashes)

    def sort(self) -> Numbers:
        """Their hashes in order, where they lie; nothing can be added while the answer is in use."""
        hashes = np.frombuffer(self._hashes, np.int64)
        hashes.sort()
        return hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Graveyard:
    """Where vanished keys are looked for.

    Attributes:
        store: written to.
        view: the definition.
        project: first part of the keys.
        row_set: the set whose rows are looked at.
        newest_us: newest event time that a sync has ever seen; newer rows were pushed since and stay.
    """

    store: OnlineStore
    view: FeatureView
    project: str
    row_set: int
    newest_us: int


def bury_vanished(place: Graveyard, seen: KeysSeen, *, confirm: Callable[[], None]) -> int:
    """Write tombstones for rows whose keys were not seen.

    Args:
        place: where to look.
        seen: every key that the model has.
        confirm: raises when another sync may have written rows that this one knows nothing of; asked before each write.

    Returns:
        How many entities were buried.
    """
    store, view = place.store, place.view
    known = seen.sort()
    expires_ms = time.time_ns() // 1_000_000 + KEPT_MS
    buried = 0
    for page in store.keys(key_prefix(place.project, view, place.row_set)):
        missing = list(dict.fromkeys(_not_in(page, known)))  # a store may name a key twice
        found = list(_rows_up_to(missing, store.fetch(missing), place.newest_us))
        if found:
            confirm()
            buried += store.write(
                batch_of(
                    [key for key, _, _ in found],
                    [
                        tombstone(event_us, None if created_us == NO_CREATED_TIME else created_us, view.fingerprint)
                        for _, event_us, created_us in found
                    ],
                    event_us=[event_us for _, event_us, _ in found],
                    created_us=[created_us for _, _, created_us in found],
                    expires_ms=[expires_ms] * len(found),
                )
            )
    return buried


def _not_in(keys: Sequence[bytes], known: Numbers) -> list[bytes]:
    hashes = key_hashes(pa.array(keys, pa.large_binary()))
    places = np.searchsorted(known, hashes)
    is_known = np.zeros(len(keys), dtype=bool)
    inside = places < len(known)
    is_known[inside] = known[places[inside]] == hashes[inside]
    return [keys[place] for place in np.flatnonzero(~is_known).tolist()]


def _rows_up_to(
    keys: Sequence[bytes], rows: Sequence[bytes | None], newest_us: int
) -> Iterator[tuple[bytes, int, int]]:
    """Yield key, event time and created time of the rows that are no tombstones and no newer than that."""
    for key, row in zip(keys, rows, strict=True):
        if row is None or len(row) < HEADER.size:
            continue
        _, cells, _, event_us, _, created_us, _, _ = HEADER.unpack_from(row)
        if cells > HEADER_CELLS and event_us <= newest_us:
            yield key, event_us, created_us
