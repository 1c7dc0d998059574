"""What a sync in slices has done so far, noted with the view's state: one that was killed goes on from there.

It goes on as if it had only paused: with the window, and at its end the watermark, of its beginning. So it must be
asked for the same again, of the same definition, and soon; nobody may have built the model since; and who asks for
everything outright (`--full`, `--rebuild`) gets everything read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from featurestore.materialize.seen import Seen
from featurestore.materialize.window import SyncRequest, Window
from featurestore.online.state import definition_hash

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.online.state import ViewState

RESUMED_WITHIN = timedelta(hours=1)
"""A sync that was killed longer ago begins anew: what it had read may have changed in place since."""
BEGUN_WITHIN = timedelta(days=1)
"""So does one that is killed over and over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a sync set out to do, and what of it is done.

    Attributes:
        definition: what its rows mean and how they are written (`_definition`).
        asked_end: the end that the user gave, UTC.
        build: what had last written the model (`SyncRequest.build`).
        window: the rows it reads.
        seen: how far they reach.
        asked_at: when it began, UTC.
        row_set: the set that it writes to.
        is_new: whether nothing had ever been written to that set before.
        keys: about how many keys it has; None if it was not asked.
        bounds: where its slices end.
        done: how many slices have landed.
        rows: newest rows that were read for them.
        noted_at: when this was noted, UTC.
    """

    definition: str
    asked_end: datetime | None
    build: str
    window: Window
    seen: Seen
    asked_at: datetime
    row_set: int
    is_new: bool
    keys: int | None
    bounds: tuple[int | str, ...]
    done: int = 0
    rows: int = 0
    noted_at: datetime


def format_progress(progress: Progress) -> str:
    """Write it down."""
    return msgspec.json.encode(progress).decode()


def progress_left(
    view: FeatureView, state: ViewState, window: Window, request: SyncRequest, now: datetime
) -> Progress | None:
    """Return what a sync that did not end had done, if this one may go on from there as far as anybody can tell.

    Args:
        view: the definition.
        state: what the store says about the view.
        window: what this sync would read.
        request: what the user asked for.
        now: the current time, UTC.
    """
    if state.progress is None or request.full or request.rebuild:
        return None
    try:
        left = msgspec.json.decode(state.progress, type=Progress)
    except msgspec.DecodeError:  # of another version of this package
        return None
    same = replace(window, rows=replace(window.rows, end=left.window.rows.end))
    is_same = (left.window, left.asked_end, left.build) == (same, request.end, request.build)
    is_there = any(each.number == left.row_set for each in state.sets)
    is_recent = abs(now - left.noted_at) < RESUMED_WITHIN and abs(now - left.asked_at) < BEGUN_WITHIN
    return left if is_same and is_there and is_recent and left.definition == definition_of(view) else None


def definition_of(view: FeatureView) -> str:
    """Say what rows mean and how they are written, also by which version of this package."""
    return f"{definition_hash(view)}:{view.fingerprint:08x}:{view.ttl_us}:{version('featurestore')}"
