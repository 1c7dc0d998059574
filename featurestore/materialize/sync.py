"""Sync one view: the newest row per key is picked in the warehouse, streamed in batches, written under the guard.

Order of effects: lease, layout note, rows, tombstones, then one note that turns readers to the rows and moves the
watermark. Killed anywhere, the store serves whole rows and the next run finishes the job (SEMANTICS O5-O7, O9).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, OperationError
from featurestore.materialize.engines.protocol import Load
from featurestore.materialize.lease import SyncLease
from featurestore.materialize.row_sets import after, close_old, new_set, set_in_use, sweep
from featurestore.materialize.vanished import Graveyard, bury_vanished
from featurestore.materialize.window import Mode, SyncRequest, Window, choose_window, utc_now
from featurestore.online.codec import microseconds
from featurestore.online.layouts import ensure_generation, read_generation, write_layout
from featurestore.online.state import ViewState, Watermark, format_state, parse_state, state_note
from featurestore.sql.newest import watermark_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.engines.protocol import Copied, Engine, Route
    from featurestore.materialize.row_sets import Target
    from featurestore.online.protocol import OnlineStore
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What a sync of one view did.

    Attributes:
        view: its reference.
        mode: ``full``, ``range``, ``incremental``, or ``rebuild`` (into a new set of rows).
        rows_read: newest rows, one per key, that came out of the warehouse.
        rows_written: of these, how many landed.
        rows_skipped: of these, how many were older than what the store held, or had no usable key.
        rows_removed: entities that the model no longer has, found by a full sync.
        seconds: wall time.
        watermark: greatest event time seen, UTC; None when nothing was seen.
    """

    view: str
    mode: Mode
    rows_read: int
    rows_written: int
    rows_skipped: int
    rows_removed: int = 0
    seconds: float
    watermark: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the data holds in a window: how many rows, and how far they reach."""

    rows: int
    event_time: datetime | None
    created_time: datetime | None


def sync_view(
    view: FeatureView,
    request: SyncRequest,
    route: Route,
    engine: Engine,
    *,
    on_rows: Callable[[int], None] | None = None,
) -> SyncResult:
    """Copy a view's newest rows to the online store.

    Args:
        view: the definition.
        request: which rows; without bounds, what is new since the last sync.
        route: from where to where.
        engine: who carries the rows.
        on_rows: told the number of rows read so far, after each batch.

    Raises:
        UsageError: bounds that make no sense, or a key or value that cannot be encoded.
        OperationError: another sync of the view is under way, or changed its state meanwhile.
        QueryError: the warehouse refused a statement, e.g. since the model was not built.
        OnlineStoreError: the store cannot be reached, or was emptied meanwhile; the watermark has not moved.
    """
    started = time.monotonic()
    with SyncLease(route.store, view.reference, wait_s=request.wait_s) as lease:

        def told(rows: int) -> None:
            lease.check()
            if on_rows is not None:
                on_rows(rows)

        return replace(_sync(view, request, route, engine, told, lease), seconds=time.monotonic() - started)


def _sync(
    view: FeatureView,
    request: SyncRequest,
    route: Route,
    engine: Engine,
    on_rows: Callable[[int], None],
    lease: SyncLease,
) -> SyncResult:
    store = route.store
    note = store.read_note(state_note(view))
    state = parse_state(note)
    asked_at = utc_now()
    window = choose_window(view, request, state, asked_at)
    # Asked before the rows are read: a row that arrives in between is read again next time, never missed.
    seen = seen_in(view, window, route.warehouse)
    generation = ensure_generation(store)
    write_layout(store, view)
    swept = close_old(sweep(store, view, state, project=route.project, now=asked_at), asked_at)
    if not seen.rows:
        swept = _looked_at(view, swept, window)
    if swept != state:
        note = _swap(store, view, note, swept)
    if not seen.rows:
        return _result(view, window, seen, read=0, written=0)
    target = new_set(view, swept, asked_at) if window.mode == "rebuild" else set_in_use(view, swept)
    note = _swap(store, view, note, target.before)
    copied = engine.copy(_load(view, window, target, seen, request), on_rows=on_rows)
    removed = _bury(view, copied, target, seen, route, lease)
    if read_generation(store) != generation:
        raise OnlineStoreError(
            "the online store was emptied while rows were written to it", hint="run featurestore materialize again"
        )
    lease.confirm()
    _swap(store, view, note, _state_after(view, window, target, seen, asked_at))
    return _result(view, window, seen, read=copied.read, written=copied.written, removed=removed)


def seen_in(view: FeatureView, window: Window, warehouse: Warehouse) -> Seen:
    """Ask how many rows a window holds and how far they reach."""
    batches = warehouse.read(watermark_query(view, window.rows, dialect=warehouse.dialect))
    (row,) = batches.read_all().to_pylist()
    return Seen(rows=row["rows"], event_time=_utc(row["__event_time"]), created_time=_utc(row["__created_time"]))


def _load(view: FeatureView, window: Window, target: Target, seen: Seen, request: SyncRequest) -> Load:
    # A row that is too old already stays for one more ttl, so that a reader can say so (SEMANTICS P17).
    keep_until = utc_now() + timedelta(microseconds=view.ttl_us or 0)
    return Load(
        view=view,
        window=window.rows,
        rows=seen.rows,
        row_set=target.row_set,
        keep_until_ms=int(keep_until.timestamp() * 1000),
        expect_new=target.is_new,
        workers=request.workers,
        wants_keys=window.mode == "full" and not target.is_new,
    )


def _bury(view: FeatureView, copied: Copied, target: Target, seen: Seen, route: Route, lease: SyncLease) -> int:
    """Write tombstones for keys that the model no longer has; only a full sync into a set in use remembers keys."""
    if copied.keys is None:
        return 0
    assert seen.event_time is not None
    before = target.before.watermark
    newest = seen.event_time if before is None else max(seen.event_time, before.event_time)
    place = Graveyard(
        store=route.store,
        view=view,
        project=route.project,
        row_set=target.row_set,
        newest_us=microseconds(newest),
    )
    lease.confirm()
    return bury_vanished(place, copied.keys, confirm=lease.confirm)


def _looked_at(view: FeatureView, state: ViewState, window: Window) -> ViewState:
    """The state when a sync found no rows: an empty view is known too, and what is there is as good as synced now."""
    if not state.sets:
        return set_in_use(view, state).before
    if window.mode != "incremental" or state.watermark is None:
        return state
    return replace(state, watermark=replace(state.watermark, synced_at=utc_now()))


def _state_after(view: FeatureView, window: Window, target: Target, seen: Seen, asked_at: datetime) -> ViewState:
    if window.mode == "range":
        return target.before
    previous = target.before.watermark if window.mode == "incremental" else None
    return after(target, _moved(view, window, seen, previous, asked_at), utc_now())


def _swap(store: OnlineStore, view: FeatureView, old: bytes | None, state: ViewState) -> bytes:
    """Write the view's state if nobody else did; returns the note."""
    new = format_state(state)
    if new != old and not store.swap_note(state_note(view), old, new):
        raise OperationError(
            f"the state of {view.reference} in the online store was changed by something else during the sync",
            hint="run it again: rows that landed are whole",
        )
    return new


def _result(view: FeatureView, window: Window, seen: Seen, *, read: int, written: int, removed: int = 0) -> SyncResult:
    return SyncResult(
        view=view.reference,
        mode=window.mode,
        rows_read=read,
        rows_written=written,
        rows_skipped=max(0, read - written),  # after a broken connection a store may count rows twice
        rows_removed=removed,
        seconds=0.0,
        watermark=seen.event_time,
    )


def _moved(view: FeatureView, window: Window, seen: Seen, previous: Watermark | None, asked_at: datetime) -> Watermark:
    """Where the watermark stands after a sync: never behind where it stood before, never in the future.

    Args:
        view: the definition.
        window: the rows that were read.
        seen: how far they reach.
        previous: where it stood; None where all rows were read.
        asked_at: a moment before the rows were read: what a loader whose clock is ahead writes must not hide what
            others load from then on.
    """
    assert seen.event_time is not None
    created = None if seen.created_time is None else min(seen.created_time, asked_at)
    event = seen.event_time
    if previous is not None:
        event = max(event, previous.event_time)
        known = [moment for moment in (created, previous.created_time) if moment is not None]
        created = max(known, default=None)
        if window.rows.end < previous.event_time + timedelta(microseconds=view.delay_us):
            # Rows between the end and the watermark were not read; those that were loaded since are still new.
            created = previous.created_time
    return Watermark(
        event_time=event,
        created_time=created,
        layout=view.fingerprint,
        ttl_us=view.ttl_us,
        synced_at=utc_now(),
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=timezone.utc)
