"""Watermarks: how far a view was synced, as seen in the data, kept in the store beside the rows it speaks of.

A store that is emptied loses its watermarks with its rows, so the next sync is a full one (SEMANTICS O6, O8).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a view was synced.

    Attributes:
        event_time: greatest event time seen, UTC.
        created_time: greatest created time seen, UTC; None for a view without one.
        definition: hash of what decides which rows are read and written; another one asks for a full sync.
        synced_at: when the sync ended, UTC; for people, never used as a bound.
    """

    event_time: datetime
    created_time: datetime | None = None
    definition: str
    synced_at: datetime


def definition_hash(view: FeatureView) -> str:
    """Identify what a watermark speaks of: source, keys, times, rules and layout, but no descriptions."""
    times = (view.event_time, view.created_at, view.delay_us, view.as_of, view.boundary, view.tie_breakers)
    decides = (view.relation, view.join_keys, times, view.ttl_us, view.fingerprint)
    return hashlib.sha256(msgspec.json.encode(decides)).hexdigest()[:16]


def read_watermark(store: OnlineStore, view: FeatureView) -> Watermark | None:
    """Read a view's watermark; None before its first sync, or if it cannot be read."""
    note = store.read_note(_note(view))
    if note is None:
        return None
    try:
        return msgspec.json.decode(note, type=Watermark)
    except msgspec.DecodeError:
        return None


def write_watermark(store: OnlineStore, view: FeatureView, watermark: Watermark) -> None:
    """Move a view's watermark; only after the last write was acknowledged."""
    store.write_note(_note(view), msgspec.json.encode(watermark))


def _note(view: FeatureView) -> str:
    return f"watermark:{view.reference}"
