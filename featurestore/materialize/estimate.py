"""What a sync would do and how much room its rows would take; nothing is written.

The bytes of keys and values are those of a sample that is encoded; what the store adds to each row is the store's own
figure (`OnlineStore.overhead_bytes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from featurestore.materialize.window import Mode, choose_window, utc_now
from featurestore.online.encode import RowEncoder
from featurestore.online.state import read_state
from featurestore.sql.newest import newest_count_query, newest_query

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.engines.protocol import Route
    from featurestore.materialize.window import SyncRequest, Window

SAMPLE_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEstimate:
    """What a sync of one view would do.

    Attributes:
        view: its reference.
        mode: as in `SyncResult`.
        rows: newest rows, one per key, that would be read.
        sampled: how many of them were encoded to measure them.
        row_bytes: what one takes in the store on average, key and bookkeeping included; 0 when there are none.
        store_bytes: what all of them take; rows that are there already take it now.
        refused: why dbt's own results speak against syncing it, so that a sync would leave it out; else empty.
    """

    view: str
    mode: Mode
    rows: int
    sampled: int
    row_bytes: int
    store_bytes: int
    refused: str = ""


def estimate_sync(view: FeatureView, request: SyncRequest, route: Route) -> SyncEstimate:
    """Estimate a sync. Raises as `sync_view`, but for what only a write can meet."""
    window = choose_window(view, request, read_state(route.store, view), utc_now())
    sql = newest_count_query(view, window.rows, dialect=route.warehouse.dialect)
    rows: int = route.warehouse.read(sql).read_all()["rows"][0].as_py()
    sampled, sample_bytes = _sample(view, window, route) if rows else (0, 0)
    overhead = route.store.overhead_bytes(expiring=view.ttl_us is not None)
    row_bytes = round(sample_bytes / sampled) + overhead if sampled else 0
    return SyncEstimate(
        view=view.reference,
        mode=window.mode,
        rows=rows,
        sampled=sampled,
        row_bytes=row_bytes,
        store_bytes=rows * row_bytes,
    )


def _sample(view: FeatureView, window: Window, route: Route) -> tuple[int, int]:
    """Encode the first rows; returns how many, and the bytes of their keys and values."""
    encoder = RowEncoder(view, project=route.project)
    sampled = size = 0
    sql = newest_query(view, window.rows, dialect=route.warehouse.dialect, limit=SAMPLE_ROWS)
    for batch in route.warehouse.read(sql):
        rows = encoder.encode(batch).rows
        sampled += len(rows)
        size += sum(pc.sum(pc.binary_length(each)).as_py() or 0 for each in (rows.keys, rows.values))
    return sampled, size
