"""Push rows of a view into the stores: under the guard of a sync online (SEMANTICS O1), as a stream's events offline.

Shape: rows -> checked against the view (`pushed_rows`) -> the set of rows in use and one that is being loaded, and the
table ``<view>__pushed``.
The rules: a push replaces whole rows; repeated, it changes nothing; what would be usable only later is refused (P7).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.pushed import PUSHED_AT, Pushed
from featurestore.definitions.views import AHEAD_US
from featurestore.errors import UsageError
from featurestore.online.cells import microseconds_of
from featurestore.online.codec import instant
from featurestore.streams.offline.protocol import new_name
from featurestore.streams.online_rows import Landed, OnlineRows
from featurestore.streams.pushed_rows import place_of_push

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.pushed import PushTo
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.streams.offline.protocol import OfflineRows

_PLACE = "__place"


class Pusher:
    """Pushes into the stores of one project; may be shared by threads.

    Args:
        project: whose rows they are.
        store: where they go online.
        offline: opens the place of the rows pushed to a view; None where rows can be pushed online only.
    """

    def __init__(
        self, project: str, store: OnlineStore, offline: Callable[[FeatureView], OfflineRows] | None = None
    ) -> None:
        self._online = OnlineRows(project, store)
        self._offline = offline

    def push(self, view: FeatureView, rows: pa.RecordBatch, to: PushTo = "online") -> Pushed:
        """Write rows.

        Args:
            view: the definition.
            rows: columns as `pushed_rows` gives them.
            to: which stores.

        Returns:
            Counts. All rows that landed are whole; a push that failed may be repeated.

        Raises:
            UsageError: the view is not online, or a row lies in the future.
            OperationError: the view was never synced, or the store was emptied since.
            BackendError: a store cannot be reached; some rows may have landed.
        """
        if to != "offline" and not view.online:
            raise UsageError(f"feature view {view.reference} is not online", hint="set `online: true`, and apply")
        _refuse_future(view, rows)
        landed = self._online.write(view, rows) if to != "offline" else Landed()
        kept = 0 if to == "online" else self._keep(view, rows)
        return Pushed(
            view=view.reference, rows=rows.num_rows, written=landed.written, skipped=landed.skipped, kept=kept
        )

    def _keep(self, view: FeatureView, rows: pa.RecordBatch) -> int:
        assert self._offline is not None, "rows can be pushed online only here"
        usable = _last_of_each(view, _with_key_and_time(view, rows))
        if usable.num_rows:
            now_us = time.time_ns() // 1_000
            at = pa.repeat(pa.scalar(now_us, pa.int64()), usable.num_rows).cast(pa.timestamp("us", "UTC"))
            table = pa.Table.from_batches([usable]).append_column(PUSHED_AT, at)
            self._offline(view).add(new_name(), table)
        return int(usable.num_rows)


def _with_key_and_time(view: FeatureView, rows: pa.RecordBatch) -> pa.RecordBatch:
    for column in (*view.join_keys, view.event_time):
        if rows.column(column.name).null_count:
            rows = rows.filter(rows.column(column.name).is_valid())
    return rows


def _last_of_each(view: FeatureView, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Of rows with the same keys, event time and created time the last one, as online: all have one time of pushing."""
    known_by = [column.name for column in view.known_by]
    places = pa.table({name: rows.column(name) for name in known_by}).append_column(
        _PLACE, pa.array(range(rows.num_rows), pa.int64())
    )
    last = places.group_by(known_by).aggregate([(_PLACE, "max")]).column(f"{_PLACE}_max")
    return rows if len(last) == rows.num_rows else rows.take(last.combine_chunks().sort())


def _refuse_future(view: FeatureView, rows: pa.RecordBatch) -> None:
    """A row that is usable only later would be served before its time (P7); clocks may differ a little."""
    event_us = microseconds_of(rows.column(view.event_time.name), view.event_time)
    latest = pc.max(event_us).as_py()
    now_us = time.time_ns() // 1_000
    if latest is None or latest + view.delay_us <= now_us + AHEAD_US:
        return
    row = pc.index(event_us, latest).as_py()
    why = " (its delay counts)" if view.delay_us else ""
    raise UsageError(
        f"row {row} has the event time {instant(latest).isoformat()}, which is not usable yet{why}",
        where=place_of_push(view),
        hint="push a row when what it says is true; times without a zone are UTC",
    )
