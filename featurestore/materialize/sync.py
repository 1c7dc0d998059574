"""Sync one view: the newest row per key is picked in the warehouse, streamed in batches, written under the guard.

Order of effects: lease, layout note, rows, tombstones, then one note that turns readers to the rows and moves the
watermark. Killed anywhere, the store serves whole rows and the next run finishes the job (SEMANTICS O5-O7, O9).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, OperationError
from featurestore.materialize.engines.protocol import Copied, Load
from featurestore.materialize.lease import SyncLease
from featurestore.materialize.progress import Progress, definition_of, format_progress, progress_left
from featurestore.materialize.row_sets import Target, after, close_old, new_set, set_in_use, sweep
from featurestore.materialize.seen import seen_in
from featurestore.materialize.slices import choose_bounds, keys_in, ranges
from featurestore.materialize.vanished import Graveyard, bury_vanished
from featurestore.materialize.window import Mode, SyncRequest, Window, choose_window, utc_now
from featurestore.online.codec import microseconds
from featurestore.online.layouts import ensure_generation, read_generation, write_layout
from featurestore.online.state import ViewState, Watermark, format_state, parse_state, state_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.engines.protocol import Engine, Route
    from featurestore.materialize.seen import Seen


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
        rows_before: newest rows that an earlier sync had copied, which was killed and which this one went on with.
        seconds: wall time.
        watermark: greatest event time seen, UTC; None when nothing was seen.
    """

    view: str
    mode: Mode
    rows_read: int
    rows_written: int
    rows_skipped: int
    rows_removed: int = 0
    rows_before: int = 0
    seconds: float
    watermark: datetime | None


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

        done = _Sync(view, request, route, engine, told, lease).run()
        return replace(done, seconds=time.monotonic() - started)


class _Sync:
    """One sync of one view, under its lease."""

    def __init__(
        self,
        view: FeatureView,
        request: SyncRequest,
        route: Route,
        engine: Engine,
        on_rows: Callable[[int], None],
        lease: SyncLease,
    ) -> None:
        self._view = view
        self._request = request
        self._route = route
        self._store = route.store
        self._engine = engine
        self._on_rows = on_rows
        self._lease = lease
        self._note = route.store.read_note(state_note(view))

    def run(self) -> SyncResult:
        """Copy the rows; returns what was done, but for the time it took."""
        view, store, now = self._view, self._store, utc_now()
        state = parse_state(self._note)
        window = choose_window(view, self._request, state, now)
        state, left = self._left(state, window, now)
        # Asked before the rows are read: a row that arrives in between is read again next time, never missed.
        seen = seen_in(view, window.rows, self._route.warehouse) if left is None else left.seen
        generation = ensure_generation(store)
        write_layout(store, view)
        kept = None if left is None else left.row_set
        swept = close_old(sweep(store, view, state, project=self._route.project, now=now, kept=kept), now)
        if not seen.rows:
            swept = _looked_at(view, swept, window)
        self._swap(state, swept)
        if not seen.rows:
            return self._result(window.mode, seen, Copied(read=0, written=0))
        if left is None:
            target = new_set(view, swept, now) if window.mode == "rebuild" else set_in_use(view, swept)
            left = self._planned(window, seen, target, now)
        else:
            target = Target(row_set=left.row_set, is_new=left.is_new, before=swept)
        self._swap(swept, target.before)
        copied = self._copy(target, left)
        removed = self._bury(copied, target, seen)
        if read_generation(store) != generation:
            raise OnlineStoreError(
                "the online store was emptied while rows were written to it", hint="run featurestore materialize again"
            )
        self._lease.confirm()
        self._swap(None, _state_after(view, left, target))
        return replace(self._result(window.mode, seen, copied), rows_removed=removed, rows_before=left.rows)

    def _left(self, state: ViewState, window: Window, now: datetime) -> tuple[ViewState, Progress | None]:
        """What a sync left to do that was killed; if this one cannot go on there, the state without it."""
        left = progress_left(self._view, state, window, self._request, now)
        if left is not None and seen_in(self._view, left.window.rows, self._route.warehouse).has_all_of(left.seen):
            return state, left
        # Noted before a set is swept that it names: nobody may go on in what is half removed.
        anew = replace(state, progress=None)
        self._swap(state, anew)
        return anew, None

    def _planned(self, window: Window, seen: Seen, target: Target, now: datetime) -> Progress:
        """What this sync is to do, nothing of it done."""
        view, warehouse = self._view, self._route.warehouse
        most = self._engine.keys_per_slice
        keys = keys_in(view, window.rows, rows=seen.rows, most=most, warehouse=warehouse)
        bounds: tuple[int | str, ...] = ()
        if keys is not None:
            bounds = choose_bounds(view, window.rows, rows=seen.rows, keys=keys, most=most, warehouse=warehouse)
        return Progress(
            definition=definition_of(view),
            asked_end=self._request.end,
            build=self._request.build,
            window=window,
            seen=seen,
            asked_at=now,
            row_set=target.row_set,
            is_new=target.is_new,
            keys=keys,
            bounds=bounds,
            noted_at=now,
        )

    def _copy(self, target: Target, left: Progress) -> Copied:
        """Copy slice by slice; what is done is noted, but where vanished keys are looked for: those need all keys."""
        is_served = self._request.full or target.before.watermark is not None
        wants_keys = left.window.mode == "full" and not target.is_new and is_served
        # A row that is too old already stays for one more ttl, so that a reader can say so (SEMANTICS P17).
        keep_until = utc_now() + timedelta(microseconds=self._view.ttl_us or 0)
        load = Load(
            view=self._view,
            window=left.window.rows,
            rows=left.seen.rows,
            keys=left.keys,
            row_set=target.row_set,
            keep_until_ms=int(keep_until.timestamp() * 1000),
            expect_new=target.is_new,
            workers=self._request.workers,
            wants_keys=wants_keys,
        )
        copied = Copied(read=0, written=0)
        for done, keys in enumerate(ranges(left.bounds)[left.done :], start=left.done + 1):
            part = replace(load, window=replace(load.window, keys=keys))
            copied = copied.and_also(self._engine.copy(part, on_rows=partial(self._tell, copied.read)))
            if done <= len(left.bounds) and not wants_keys:
                self._lease.confirm()
                noted = replace(left, done=done, rows=left.rows + copied.read, noted_at=utc_now())
                self._swap(None, replace(target.before, progress=format_progress(noted)))
        return copied

    def _tell(self, before: int, rows: int) -> None:
        self._on_rows(before + rows)

    def _bury(self, copied: Copied, target: Target, seen: Seen) -> int:
        """Write tombstones for keys that the model no longer has; only a full sync into a set in use remembers keys."""
        if copied.keys is None:
            return 0
        assert seen.event_time is not None
        before = target.before.watermark
        newest = seen.event_time if before is None else max(seen.event_time, before.event_time)
        place = Graveyard(
            store=self._store,
            view=self._view,
            project=self._route.project,
            row_set=target.row_set,
            newest_us=microseconds(newest),
        )
        self._lease.confirm()
        return bury_vanished(place, copied.keys, confirm=self._lease.confirm)

    def _swap(self, old: ViewState | None, state: ViewState) -> None:
        """Write the view's state if nobody else did; nothing to do where it is as it was."""
        new = format_state(state)
        if state == old or new == self._note:
            return
        if not self._store.swap_note(state_note(self._view), self._note, new):
            view = self._view.reference
            raise OperationError(
                f"the state of {view} in the online store was changed by something else during the sync",
                hint="run it again: rows that landed are whole",
            )
        self._note = new

    def _result(self, mode: Mode, seen: Seen, copied: Copied) -> SyncResult:
        return SyncResult(
            view=self._view.reference,
            mode=mode,
            rows_read=copied.read,
            rows_written=copied.written,
            rows_skipped=copied.read - copied.written,
            seconds=0.0,
            watermark=seen.event_time,
        )


def _looked_at(view: FeatureView, state: ViewState, window: Window) -> ViewState:
    """The state when a sync found no rows: an empty view is known too, and what is there is as good as synced now."""
    if not state.sets:
        return set_in_use(view, state).before
    if window.mode != "incremental" or state.watermark is None:
        return state
    return replace(state, watermark=replace(state.watermark, synced_at=utc_now()))


def _state_after(view: FeatureView, done: Progress, target: Target) -> ViewState:
    if done.window.mode == "range":
        return replace(target.before, progress=None)
    previous = target.before.watermark if done.window.mode == "incremental" else None
    return after(target, _moved(view, done, previous), utc_now())


def _moved(view: FeatureView, done: Progress, previous: Watermark | None) -> Watermark:
    """Where the watermark stands after a sync: never behind where it stood before, never in the future.

    Args:
        view: the definition.
        done: what was read, and how far it reaches. A moment before that is known: what a loader whose clock is ahead
            writes must not hide what others load from then on.
        previous: where it stood; None where all rows were read.
    """
    seen = done.seen
    assert seen.event_time is not None
    created = None if seen.created_time is None else min(seen.created_time, done.asked_at)
    event = seen.event_time
    if previous is not None:
        event = max(event, previous.event_time)
        known = [moment for moment in (created, previous.created_time) if moment is not None]
        created = max(known, default=None)
        if done.window.rows.end < previous.event_time + timedelta(microseconds=view.delay_us):
            # Rows between the end and the watermark were not read; those that were loaded since are still new.
            created = previous.created_time
    return Watermark(
        event_time=event,
        created_time=created,
        layout=view.fingerprint,
        ttl_us=view.ttl_us,
        synced_at=utc_now(),
    )
