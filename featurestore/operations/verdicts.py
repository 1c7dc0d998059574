"""The verdict on one key whose two answers differ: which side is behind, and whether that is a fault.

The rule: what arrived after the sync is no fault, on either side. A row beyond the watermarks waits in the warehouse
for the next sync (`waiting`); one that was pushed or synced since is online first (`newer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featurestore.online.codec import HEADER, HEADER_CELLS, microseconds
from featurestore.online.encode import EXPIRY_IN_TTLS
from featurestore.online.protocol import NO_CREATED_TIME

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.views import FeatureView
    from featurestore.online.state import Watermark

Verdict = Literal["equal", "missing", "extra", "stale", "different", "newer", "waiting", "expired", "unsettled"]
Fault = Literal["missing", "extra", "stale", "different"]
FAULTS: tuple[Fault, ...] = ("missing", "extra", "stale", "different")
Times = tuple[int, int]
"""Event time and created time of a row, microseconds since 1970."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """How many keys, or values of one feature, got each verdict.

    Attributes:
        equal: the same value, status and event time.
        missing: the warehouse has a row, the store has none.
        extra: the store has a row that the warehouse has not, or no longer: none for this key, or only an older one.
        stale: the store's row is older in (event time, created time).
        different: the same times, another value or status.
        newer: the store's row lies beyond the moment or the watermark; no fault.
        waiting: the warehouse's row came after the last sync; no fault.
        expired: the store has forgotten a row that is two ttls old, as it was told to; no fault.
        unsettled: moved whenever it was looked at, so nothing can be said.
    """

    equal: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0
    different: int = 0
    newer: int = 0
    waiting: int = 0
    expired: int = 0
    unsettled: int = 0

    @property
    def faults(self) -> int:
        """How many are wrong."""
        return self.missing + self.extra + self.stale + self.different

    @property
    def total(self) -> int:
        """How many there are."""
        return self.equal + self.faults + self.newer + self.waiting + self.expired + self.unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What a verdict hangs on.

    Attributes:
        view: the definition.
        at_us: the moment that is compared.
        watermark: how far the view was synced.
        now_us: the present.
    """

    view: FeatureView
    at_us: int
    watermark: Watermark
    now_us: int

    def verdict(self, offline: Times | None, online: Times | None) -> Verdict:
        """Judge a key.

        Args:
            offline: times of the row that the warehouse answers with, of any age; None if there is none.
            online: times of the store's row; None if there is none, or a tombstone.
        """
        if offline is None:
            return "newer" if online is not None and self._is_ahead(online) else "extra"
        if online is None:
            if self._is_beyond(offline):
                return "waiting"
            return "expired" if self._is_forgotten(offline) else "missing"
        if online == offline:
            return "different"
        if online > offline:
            return "newer" if self._is_ahead(online) else "extra"
        return "waiting" if self._is_beyond(offline) else "stale"

    def _is_beyond(self, row: Times) -> bool:
        """Whether the last sync cannot have seen it (O6)."""
        event_us, created_us = row
        loaded = self.watermark.created_time
        loaded_us = NO_CREATED_TIME if loaded is None else microseconds(loaded)
        return event_us > microseconds(self.watermark.event_time) or created_us > loaded_us

    def _is_ahead(self, row: Times) -> bool:
        """Whether it is not usable at the moment yet (P2, P7, P8), or came after the sync."""
        event_us, created_us = row
        usable_us = event_us + self.view.delay_us
        if self.view.as_of == "knowledge":
            usable_us = max(usable_us, created_us)
        is_after = usable_us > self.at_us or (self.view.boundary == "exclusive" and usable_us == self.at_us)
        return is_after or self._is_beyond(row)

    def _is_forgotten(self, row: Times) -> bool:
        """Whether the store may have let it expire."""
        ttl_us = self.view.ttl_us
        return ttl_us is not None and row[0] + EXPIRY_IN_TTLS * ttl_us <= self.now_us


def times_of(row: bytes | None) -> Times | None:
    """Event and created time of a stored row; None for none, for a tombstone and for what is no row."""
    if row is None or len(row) < HEADER.size:
        return None
    _, cells, _, event_us, _, created_us, _, _ = HEADER.unpack_from(row)
    return None if cells == HEADER_CELLS else (event_us, created_us)


def settled_us(view: FeatureView, watermark: Watermark) -> int:
    """The first moment at which all that was synced is usable: there the two sides must agree (P17)."""
    usable_us = microseconds(watermark.event_time) + view.delay_us
    if view.as_of == "knowledge" and watermark.created_time is not None:
        usable_us = max(usable_us, microseconds(watermark.created_time))
    return usable_us + (1 if view.boundary == "exclusive" else 0)


def settled_at(view: FeatureView, watermark: Watermark, moment: datetime | None) -> int:
    """The moment to compare, microseconds since 1970: the asked one, else `settled_us`."""
    return settled_us(view, watermark) if moment is None else microseconds(moment)
