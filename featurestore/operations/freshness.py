"""How fresh a view is: its newest event time offline and online, its age against a limit, and what waits to be synced.

The age is that of the newest event served, not of the last sync: a sync that runs every minute and brings nothing new
serves old features (compare dbt's source freshness, which measures the data too).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.durations import format_duration
from featurestore.errors import QueryError
from featurestore.materialize.seen import seen_in
from featurestore.materialize.window import SyncRequest, choose_window
from featurestore.online.state import ViewState, read_state
from featurestore.operations.sides import SYNC, unsynced
from featurestore.sql.newest import SyncWindow

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import ViewState, Watermark
    from featurestore.warehouse.protocol import Warehouse

State = Literal["fresh", "behind", "stale", "never synced"]
_MICROSECOND = timedelta(microseconds=1)
_BUILD = "run dbt build: the warehouse has nothing newer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFreshness:
    """How fresh one view is.

    Attributes:
        view: its reference.
        state: ``stale`` when the newest event served is older than the limit; else ``behind`` when rows wait for a
            sync or the definition changed since the last one; else ``fresh``. ``never synced`` when nothing is served.
        offline: newest usable event time in the warehouse, UTC; None when it was not asked or has no row.
        online: newest event time that was synced, UTC; None before the first sync.
        age_s: seconds since `online`; None without it.
        limit_s: the age from which on the view is stale, seconds; None when it has none.
        synced_at: when the last sync ended, UTC.
        waiting: rows in the warehouse that no sync has seen; None when it was not asked.
        problem: what is wrong; None when nothing is.
        hint: what to do about it; None when nothing is wrong.
    """

    view: str
    state: State
    offline: datetime | None = None
    online: datetime | None = None
    age_s: float | None = None
    limit_s: float | None = None
    synced_at: datetime | None = None
    waiting: int | None = None
    problem: str | None = None
    hint: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether a check should fail: stale, or never synced."""
        return self.state in {"stale", "never synced"}

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offline:
    """What the warehouse has: its newest usable event time, and rows that no sync has seen."""

    newest: datetime | None
    waiting: int


def view_freshness(
    view: FeatureView, store: OnlineStore, warehouse: Warehouse | None, *, max_age_us: int | None, now: datetime
) -> ViewFreshness:
    """Measure one view.

    Args:
        view: the definition.
        store: the online store.
        warehouse: None leaves the warehouse alone.
        max_age_us: the limit in microseconds; None takes the view's ttl.
        now: the present, UTC.

    Raises:
        WarehouseError, OnlineStoreError: one of them cannot be reached.
    """
    state = read_state(store, view)
    limit_us = view.ttl_us if max_age_us is None else max_age_us
    found = ViewFreshness(
        view=view.reference, state="fresh", limit_s=None if limit_us is None else limit_us / 1_000_000
    )
    offline = None
    if warehouse is not None:
        try:
            offline = _offline(view, state, warehouse, now)
        except QueryError as error:
            unread = f"the warehouse cannot be asked: {error.what}"
            found = replace(found, problem=unread, hint="is the model built? run dbt build")
    if offline is not None:
        found = replace(found, offline=offline.newest, waiting=offline.waiting)
    if state.watermark is None:
        return _never(found, view, state, offline)
    found = replace(
        found,
        online=state.watermark.event_time,
        synced_at=state.watermark.synced_at,
        age_s=(now - state.watermark.event_time).total_seconds(),
    )
    return _judged(found, view, state)


def _judged(found: ViewFreshness, view: FeatureView, state: ViewState) -> ViewFreshness:
    assert found.age_s is not None
    if found.limit_s is not None and found.age_s > found.limit_s:
        limit = format_duration(round(found.limit_s * 1_000_000))
        is_newer_offline = found.offline is not None and found.online is not None and found.offline > found.online
        todo = SYNC if is_newer_offline or found.offline is None else _BUILD
        return _with_problem(replace(found, state="stale"), f"older than {limit}", todo)
    changed = unsynced(view, state)
    if changed is not None:
        return _with_problem(replace(found, state="behind"), changed, SYNC)
    if found.waiting:
        rows = "1 row waits" if found.waiting == 1 else f"{found.waiting:,} rows wait"
        return _with_problem(replace(found, state="behind"), f"{rows} for a sync", SYNC)
    return found


def _never(found: ViewFreshness, view: FeatureView, state: ViewState, offline: _Offline | None) -> ViewFreshness:
    problem, hint = unsynced(view, state), SYNC
    if offline is not None and offline.newest is None:
        problem, hint = "the model has no usable row", "run dbt build, then featurestore materialize"
    return replace(found, state="never synced", problem=problem, hint=hint)


def _with_problem(found: ViewFreshness, problem: str, hint: str) -> ViewFreshness:
    """Name the problem; that the warehouse cannot be asked is the one to solve first."""
    return found if found.problem is not None else replace(found, problem=problem, hint=hint)


def _offline(view: FeatureView, state: ViewState, warehouse: Warehouse, now: datetime) -> _Offline:
    whole = choose_window(view, SyncRequest(), ViewState(), now)
    seen = seen_in(view, whole.rows, warehouse)
    if state.watermark is None or not seen.rows:
        return _Offline(newest=seen.event_time, waiting=seen.rows)
    waiting = seen_in(view, _beyond(view, state, state.watermark, now), warehouse)
    return _Offline(newest=seen.event_time, waiting=waiting.rows)


def _beyond(view: FeatureView, state: ViewState, watermark: Watermark, now: datetime) -> SyncWindow:
    """What lies strictly beyond the watermarks: a sync's own window looks further back, to be sure."""
    if view.created_at is None:
        return SyncWindow(end=now, after_event=watermark.event_time + _MICROSECOND)
    window = choose_window(view, SyncRequest(), state, now).rows
    if window.after_event is None:  # redefined since: all of it is read again
        return window
    loaded = watermark.created_time if watermark.created_time is not None else window.after_created
    return SyncWindow(end=now, after_event=watermark.event_time, after_created=loaded)
