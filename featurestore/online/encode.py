"""Arrow batches of a view's newest rows become online rows: one key, one value, one guard pair each.

Rows without a key or an event time have no place online; they are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import UsageError, did_you_mean
from featurestore.online.cells import microseconds_of
from featurestore.online.codec import ARRAY16, HEADER_CELLS, INT64, MAX_CELLS, UINT32
from featurestore.online.columns import column_pieces
from featurestore.online.key_columns import entity_keys
from featurestore.online.keys import key_prefix, key_text_of
from featurestore.online.pieces import join
from featurestore.online.protocol import NO_CREATED_TIME, RowBatch

if TYPE_CHECKING:
    from featurestore.definitions.views import Column, FeatureView
    from featurestore.online.pieces import Bytes

EXPIRY_IN_TTLS = 2
"""A store may forget a row this many ttls after its event time: until then a reader can say OUTSIDE_MAX_AGE."""
_EXPIRIES_PER_TTL = 32
"""Expiries are rounded up to this part of a ttl: stores write and keep rows that expire together much cheaper."""
_STEP_MS_MAX = 2**40
_EXPIRES_MS_MAX = 2**62
_MORE_MS_MAX = _EXPIRES_MS_MAX + 2**54
"""After any event, as long again or longer is the latest expiry; no sum is beyond 64 bits."""
_HEADER = np.dtype(
    [
        *(("array", "u1"), ("cells", ">u2")),
        *(("event", "u1"), ("event_us", ">i8")),
        *(("created", "u1"), ("created_us", ">i8")),
        *(("layout", "u1"), ("fingerprint", ">u4")),
    ]
)
"""`codec.HEADER`, for numpy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedBatch:
    """What became of one Arrow batch.

    Attributes:
        rows: to be written.
        skipped: rows that had a NULL join key or no event time.
    """

    rows: RowBatch
    skipped: int


class RowEncoder:
    """Encode rows of one view of one project; made once per sync.

    Args:
        view: the definition.
        project: its project's name, first part of every key.
        row_set: number of the set of rows that they belong to (`online.state`).
        keep_until_ms: Unix milliseconds before which no row may be forgotten, however old its event.

    Raises:
        UsageError: a join key's type cannot be a key online.
    """

    def __init__(self, view: FeatureView, *, project: str, row_set: int = 0, keep_until_ms: int = 0) -> None:
        assert len(view.online_columns) <= MAX_CELLS, view.reference
        for column in view.join_keys:
            key_text_of(column.type)
        self._view = view
        self._keep_until_ms = keep_until_ms
        self._prefix = key_prefix(project, view, row_set)
        self._fingerprint = view.fingerprint

    def encode(self, batch: pa.RecordBatch) -> EncodedBatch:
        """Encode a batch.

        Args:
            batch: columns by name (case ignored where that is clear): join keys, event time, created time if the
                view has one, and the view's `online_columns`; others are not read.

        Returns:
            Rows in the batch's order, and how many were left out.

        Raises:
            UsageError: a column is missing, or its type is not what the view declares.
        """
        view = self._view
        usable = self._with_key_and_time(batch)
        event_us = microseconds_of(self._column(usable, view.event_time), view.event_time)
        created_us = self._created(usable)
        pieces = [piece for each in view.online_columns for piece in column_pieces(self._column(usable, each), each)]
        keys = [self._column(usable, column) for column in view.join_keys]
        rows = RowBatch(
            keys=entity_keys(self._prefix, usable.num_rows, keys, view.join_keys),
            values=join(self._headers(event_us, created_us), pieces),
            event_us=event_us,
            created_us=created_us,
            expires_ms=None if view.ttl_us is None else _expiries(event_us, view.ttl_us, self._keep_until_ms),
        )
        return EncodedBatch(rows=rows, skipped=batch.num_rows - usable.num_rows)

    def bury(self, keys: pa.RecordBatch, event_us: pa.Array, created_us: pa.Array) -> RowBatch:
        """Make tombstones: rows that say that an entity is deleted as of a time.

        Args:
            keys: columns by name: the join keys, without NULLs.
            event_us: int64; as of when, microseconds since 1970.
            created_us: int64; when that became known, `NO_CREATED_TIME` where there is no such time.
        """
        view = self._view
        arrays = [self._column(keys, column) for column in view.join_keys]
        expires_ms = None
        if view.ttl_us is not None:
            expires_ms = _expiries(event_us, view.ttl_us, self._keep_until_ms)
        return RowBatch(
            keys=entity_keys(self._prefix, keys.num_rows, arrays, view.join_keys),
            values=join(self._headers(event_us, created_us, cells=HEADER_CELLS), []),
            event_us=event_us,
            created_us=created_us,
            expires_ms=expires_ms,
        )

    def _with_key_and_time(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        needed = [self._column(batch, column) for column in (*self._view.join_keys, self._view.event_time)]
        if not any(array.null_count for array in needed):
            return batch
        keep = needed[0].is_valid()
        for array in needed[1:]:
            keep = pc.and_(keep, array.is_valid())
        return batch.filter(keep)

    def _column(self, batch: pa.RecordBatch, column: Column) -> pa.Array:
        place = batch.schema.get_field_index(column.name)
        return batch.column(place if place >= 0 else self._place(batch.schema.names, column))

    def _place(self, names: list[str], column: Column) -> int:
        """Find a column whose name the warehouse wrote in another case, or twice."""
        found = [place for place, name in enumerate(names) if name == column.name]
        found = found or [place for place, name in enumerate(names) if name.casefold() == column.name.casefold()]
        if len(found) != 1:
            raise UsageError(
                f"{'no' if not found else 'more than one'} column '{column.name}' in the rows to sync",
                where=f"feature view {self._view.reference}",
                hint=did_you_mean(column.name, names),
            )
        return found[0]

    def _created(self, batch: pa.RecordBatch) -> pa.Array:
        column = self._view.created_at
        if column is None:
            return pa.array(np.full(batch.num_rows, NO_CREATED_TIME, np.int64))
        return microseconds_of(self._column(batch, column), column).fill_null(NO_CREATED_TIME)

    def _headers(self, event_us: pa.Array, created_us: pa.Array, *, cells: int | None = None) -> Bytes:
        """Write what `codec.header` writes, for all rows; of rows of the view, or of so many cells."""
        headers = np.empty(len(event_us), _HEADER)
        headers["array"] = ARRAY16
        headers["cells"] = HEADER_CELLS + len(self._view.online_columns) if cells is None else cells
        headers["event"], headers["event_us"] = INT64, event_us.to_numpy()
        headers["created"], headers["created_us"] = INT64, created_us.to_numpy()
        headers["layout"], headers["fingerprint"] = UINT32, self._fingerprint
        return headers.view(np.uint8).reshape(len(headers), _HEADER.itemsize)


def _expiries(event_us: pa.Array, ttl_us: int, keep_until_ms: int) -> pa.Array:
    """Return Unix milliseconds, rounded up to a step; a store's clock begins at 1."""
    step_ms = min(max(1, ttl_us // (1000 * _EXPIRIES_PER_TTL)), _STEP_MS_MAX)
    extra_ms, extra_us = divmod(EXPIRY_IN_TTLS * ttl_us + 999, 1000)
    whole_ms, rest_us = np.divmod(event_us.to_numpy(), 1000)
    expires_ms = whole_ms + (rest_us + extra_us) // 1000 + min(extra_ms, _MORE_MS_MAX)
    expires_ms = np.clip(expires_ms, min(max(1, keep_until_ms), _EXPIRES_MS_MAX), _EXPIRES_MS_MAX)
    return pa.array(-(-expires_ms // step_ms) * step_ms)
