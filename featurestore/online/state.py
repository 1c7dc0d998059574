"""What a store says about one view: which sets of rows it holds, and how far they were synced.

All of it is one note, so that readers turn to another set and the watermark moves in one atomic write. A store that
is emptied loses its watermarks with its rows, so the next sync is a full one (SEMANTICS O6, O8).
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

FIRST_SET = 0
JoinKeys = tuple[tuple[str, str], ...]
"""Name and type of each join key, in order: what the keys of a set of rows are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a view was synced.

    Attributes:
        event_time: greatest event time seen, UTC.
        created_time: greatest created time seen, UTC; None for a view without one.
        layout: fingerprint of its rows; another one asks for a full sync, as another ttl does.
        ttl_us: after which age its rows may be forgotten; None is never.
        synced_at: when the sync ended, UTC; for people, never used as a bound.
    """

    event_time: datetime
    created_time: datetime | None = None
    layout: int
    ttl_us: int | None = None
    synced_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSet:
    """Rows of a view that were made under one definition; the number is part of their keys.

    Attributes:
        number: 0 for the first.
        join_keys: what its keys are made of; a reader that asks by others is not answered from it.
        definition: hash of what its rows mean (`definition_hash`); others go into another set.
        retired_at: since when nobody should begin to use it, UTC; None for the set in use.
        is_whole: False while its first rows are being loaded, for ever if that never ended, and when its rows are about
            to be removed: nobody is answered from it.
    """

    number: int
    join_keys: JoinKeys
    definition: str
    retired_at: datetime | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """The note about a view.

    Attributes:
        sets: the set in use first, then those whose rows are not yet removed, and one that is being loaded.
        watermark: of the set in use; None before the first sync.
        last_number: the greatest number that a set ever had; none is used twice.
        progress: what a sync that has not ended has done, for the next one (`materialize.progress`).
    """

    sets: tuple[RowSet, ...] = ()
    watermark: Watermark | None = None
    last_number: int = FIRST_SET
    progress: str | None = None

    def set_for(self, view: FeatureView) -> int | None:
        """Number of the newest set that a reader with this definition can ask; None if there is none.

        Before anything is known of the view it is the first set.
        """
        wanted = join_keys_of(view)
        usable = (each.number for each in self.sets if each.is_whole and each.join_keys == wanted)
        return next(usable, None if self.sets else FIRST_SET)


def join_keys_of(view: FeatureView) -> JoinKeys:
    """What the keys of a view's rows are made of."""
    return tuple((key.name, key.type) for key in view.join_keys)


def definition_hash(view: FeatureView) -> str:
    """Identify what a set of rows speaks of: source, keys, times and rules; no layout, ttl or descriptions."""
    times = (view.event_time, view.created_at, view.delay_us, view.as_of, view.boundary, view.tie_breakers)
    decides = (view.relation, view.join_keys, times, view.valid_to)
    return hashlib.sha256(msgspec.json.encode(decides)).hexdigest()[:16]


def made_set(view: FeatureView, number: int) -> RowSet:
    """Describe a set of rows of this definition."""
    return RowSet(number=number, join_keys=join_keys_of(view), definition=definition_hash(view))


def is_redefined(state: ViewState, view: FeatureView) -> bool:
    """Say whether the rows in use mean something else than the view as it is defined now."""
    return bool(state.sets) and state.sets[0].definition != definition_hash(view)


def is_current(state: ViewState, view: FeatureView) -> bool:
    """Say whether the rows in use were all written as the view is defined now."""
    watermark = state.watermark
    if watermark is None or is_redefined(state, view):
        return False
    return (watermark.layout, watermark.ttl_us) == (view.fingerprint, view.ttl_us)


def state_note(view: FeatureView) -> str:
    """Name the note about a view."""
    return f"view:{view.reference}"


def parse_state(note: bytes | None) -> ViewState:
    """Read the note; an absent or unreadable one says nothing, as before the first sync."""
    if note is None:
        return ViewState()
    try:
        return msgspec.json.decode(note, type=ViewState)
    except msgspec.DecodeError:
        return ViewState()


def format_state(state: ViewState) -> bytes:
    """Write the note."""
    return msgspec.json.encode(state)


def read_state(store: OnlineStore, view: FeatureView) -> ViewState:
    """Read what the store says about a view."""
    return parse_state(store.read_note(state_note(view)))
