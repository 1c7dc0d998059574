"""Which set of rows a sync writes to, and what becomes of the sets before it.

A change of what the rows mean (keys, times, rules, source) is loaded into a new set while readers use the old one; one
note turns them to it. Sets that nobody uses are removed when readers have long followed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from featurestore.online.keys import key_prefix
from featurestore.online.state import FIRST_SET, RowSet, ViewState, made_set

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import Watermark

GRACE = timedelta(minutes=10)
"""How long a set outlives its use: readers ask every second which one is in use."""
CLOSED = timedelta(seconds=10)
"""How long a set has been closed to readers before its rows go: one of other join keys gets an error, and no gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the rows of a sync go.

    Attributes:
        row_set: number of the set.
        is_new: whether nothing was ever written to it.
        before: the view's state while the sync runs.
    """

    row_set: int
    is_new: bool
    before: ViewState


def set_in_use(view: FeatureView, state: ViewState) -> Target:
    """The set that readers use; the first one if there is none yet."""
    if state.sets:
        return Target(row_set=state.sets[0].number, is_new=False, before=state)
    return Target(row_set=FIRST_SET, is_new=True, before=replace(state, sets=(made_set(view, FIRST_SET),)))


def new_set(view: FeatureView, state: ViewState, now: datetime) -> Target:
    """A set of its own beside those that are there; noted as retired, so that a sync that dies leaves no orphans."""
    if not state.sets:
        return set_in_use(view, state)
    number = state.last_number + 1
    made = replace(made_set(view, number), retired_at=now, is_whole=False)
    return Target(row_set=number, is_new=True, before=replace(state, sets=(*state.sets, made), last_number=number))


def after(target: Target, watermark: Watermark | None, now: datetime) -> ViewState:
    """The view's state when all rows have landed: the set that was written is in use."""
    written = next(each for each in target.before.sets if each.number == target.row_set)
    others = [each for each in target.before.sets if each.number != target.row_set]
    retired = [each if each.retired_at is not None else replace(each, retired_at=now) for each in others]
    sets = (replace(written, retired_at=None, is_whole=True), *retired)
    return replace(target.before, sets=sets, watermark=watermark, progress=None)


def close_old(state: ViewState, now: datetime) -> ViewState:
    """The state in which sets that were retired long ago answer nobody any more."""
    return replace(
        state,
        sets=tuple(
            replace(each, is_whole=False, retired_at=now) if _is_old(each, GRACE, now) and each.is_whole else each
            for each in state.sets
        ),
    )


def sweep(
    store: OnlineStore, view: FeatureView, state: ViewState, *, project: str, now: datetime, kept: int | None = None
) -> ViewState:
    """Remove the rows of sets that answer nobody, but of the one to be `kept`; returns the state without them."""
    gone = [each for each in state.sets if not each.is_whole and each.number != kept and _is_old(each, CLOSED, now)]
    for each in gone:
        remove_rows(store, key_prefix(project, view, each.number))
    return replace(state, sets=tuple(each for each in state.sets if each not in gone))


def _is_old(row_set: RowSet, age: timedelta, now: datetime) -> bool:
    return row_set.retired_at is not None and now - row_set.retired_at >= age


def remove_rows(store: OnlineStore, prefix: bytes) -> int:
    """Delete all rows whose keys begin so; returns how many."""
    return sum(store.delete(page) for page in store.keys(prefix))
