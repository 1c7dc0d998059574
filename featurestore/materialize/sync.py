"""Sync one view: the newest row per key is picked in the warehouse, streamed in batches, written under the guard.

Order of effects: layout note, rows, then the watermark. Killed anywhere, the store serves whole rows and the
next run finishes the job (SEMANTICS O5-O7, O9).
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from featurestore.materialize.ahead import one_ahead
from featurestore.materialize.window import Mode, SyncRequest, Window, choose_window, utc_now
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import ensure_generation, write_layout
from featurestore.online.state import (
    FIRST_SET,
    RowSet,
    ViewState,
    Watermark,
    definition_hash,
    format_state,
    join_keys_of,
    read_state,
    state_note,
)
from featurestore.sql.newest import newest_query, watermark_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.warehouse.protocol import Warehouse

BATCH_ROWS = 16_384
WAREHOUSE_MEMORY_BYTES = 128 * 2**20
"""What an engine inside this process may use for a sync: a scan and a small join, no faster with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What a sync of one view did.

    Attributes:
        view: its reference.
        mode: ``full``, ``range`` or ``incremental``.
        rows_read: newest rows, one per key, that came out of the warehouse.
        rows_written: of these, how many landed.
        rows_skipped: of these, how many were older than what the store held, or had no usable key.
        seconds: wall time.
        watermark: greatest event time seen, UTC; None when nothing was seen.
    """

    view: str
    mode: Mode
    rows_read: int
    rows_written: int
    rows_skipped: int
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
    *,
    project: str,
    warehouse: Warehouse,
    store: OnlineStore,
    on_rows: Callable[[int], None] | None = None,
) -> SyncResult:
    """Copy a view's newest rows to the online store.

    Args:
        view: the definition.
        request: which rows; without bounds, what is new since the last sync.
        project: name of the project, first part of every key.
        warehouse: read from, open.
        store: written to, open.
        on_rows: told the number of rows read so far, after each batch.

    Raises:
        UsageError: bounds that make no sense, or a key or value that cannot be encoded.
        QueryError: the warehouse refused a statement, e.g. since the model was not built.
        OnlineStoreError: the store cannot be reached; the watermark has not moved.
    """
    started = time.monotonic()
    warehouse.limit_memory(WAREHOUSE_MEMORY_BYTES)
    previous = read_state(store, view).watermark
    window = choose_window(view, request, previous, utc_now())
    # Asked before the rows are read: a row that arrives in between is read again next time, never missed.
    seen = _seen(view, window, warehouse)
    read = written = 0
    ensure_generation(store)
    write_layout(store, view)
    if seen.rows:
        read, written = _copy(view, window, project=project, warehouse=warehouse, store=store, on_rows=on_rows)
        if window.mode != "range":
            watermark = _moved(view, seen, previous if window.mode == "incremental" else None)
            sets = (RowSet(number=FIRST_SET, join_keys=join_keys_of(view)),)
            store.write_note(state_note(view), format_state(ViewState(sets=sets, watermark=watermark)))
    return SyncResult(
        view=view.reference,
        mode=window.mode,
        rows_read=read,
        rows_written=written,
        rows_skipped=read - written,
        seconds=time.monotonic() - started,
        watermark=seen.event_time,
    )


def _seen(view: FeatureView, window: Window, warehouse: Warehouse) -> Seen:
    batches = warehouse.read(watermark_query(view, window.rows, dialect=warehouse.dialect))
    (row,) = batches.read_all().to_pylist()
    return Seen(rows=row["rows"], event_time=_utc(row["__event_time"]), created_time=_utc(row["__created_time"]))


def _copy(
    view: FeatureView,
    window: Window,
    *,
    project: str,
    warehouse: Warehouse,
    store: OnlineStore,
    on_rows: Callable[[int], None] | None,
) -> tuple[int, int]:
    # A row that is too old already stays for one more ttl, so that a reader can say so (SEMANTICS P17).
    keep_until = utc_now() + timedelta(microseconds=view.ttl_us or 0)
    encoder = RowEncoder(view, project=project, keep_until_ms=int(keep_until.timestamp() * 1000))
    read = written = 0
    sql = newest_query(view, window.rows, dialect=warehouse.dialect)
    encoded = (encoder.encode(batch) for batch in warehouse.read(sql, batch_rows=BATCH_ROWS))
    with closing(one_ahead(encoded, abandon=warehouse.abandon)) as batches:
        for batch in batches:
            read += len(batch.rows) + batch.skipped
            written += store.write(batch.rows)
            if on_rows is not None:
                on_rows(read)
    return read, written


def _moved(view: FeatureView, seen: Seen, previous: Watermark | None) -> Watermark:
    """Where the watermark stands after a sync: never behind where it stood before, never in the future."""
    assert seen.event_time is not None
    now = utc_now()
    # A loader whose clock is ahead must not hide what others load until then.
    created = None if seen.created_time is None else min(seen.created_time, now)
    event = seen.event_time
    if previous is not None:
        event = max(event, previous.event_time)
        known = [moment for moment in (created, previous.created_time) if moment is not None]
        created = max(known, default=None)
    return Watermark(
        event_time=event,
        created_time=created,
        definition=definition_hash(view),
        layout=view.fingerprint,
        ttl_us=view.ttl_us,
        synced_at=now,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=timezone.utc)
