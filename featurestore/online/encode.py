"""Arrow batches of a view's newest rows become online rows: one key, one value, one guard pair each.

Rows without a key or an event time have no place online; they are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import INTEGERS
from featurestore.errors import UsageError, did_you_mean
from featurestore.online.batches import batch_of
from featurestore.online.cells import column_cells, time_cells
from featurestore.online.codec import HEADER_CELLS, MAX_CELLS, header, instant
from featurestore.online.keys import entity_key, integer_key, key_prefix, key_text, key_text_of
from featurestore.online.protocol import NO_CREATED_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from featurestore.definitions.views import Column, FeatureView
    from featurestore.online.protocol import RowBatch

EXPIRY_IN_TTLS = 2
"""A store may forget a row this many ttls after its event time: until then a reader can say OUTSIDE_MAX_AGE."""
_EXPIRES_MS_MAX = 2**62


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
        self._pack = msgspec.msgpack.Encoder().encode

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
        event_us = [us for us in time_cells(self._column(usable, view.event_time), view.event_time) if us is not None]
        created_us = self._created(usable)
        columns = [column_cells(self._column(usable, column), column) for column in view.online_columns]
        expiries = None if view.ttl_us is None else _expiries(event_us, view.ttl_us, self._keep_until_ms)
        rows = batch_of(
            self._keys(usable),
            self._values(event_us, created_us, columns),
            event_us=event_us,
            created_us=created_us,
            expires_ms=expiries,
        )
        return EncodedBatch(rows=rows, skipped=batch.num_rows - usable.num_rows)

    def _with_key_and_time(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        needed = [self._column(batch, column) for column in (*self._view.join_keys, self._view.event_time)]
        if not any(array.null_count for array in needed):
            return batch
        keep = needed[0].is_valid()
        for array in needed[1:]:
            keep = pc.and_(keep, array.is_valid())
        return batch.filter(keep)

    def _column(self, batch: pa.RecordBatch, column: Column) -> pa.Array:
        names = batch.schema.names
        found = [name for name in names if name == column.name]
        found = found or [name for name in names if name.casefold() == column.name.casefold()]
        if len(found) != 1:
            raise UsageError(
                f"{'no' if not found else 'more than one'} column '{column.name}' in the rows to sync",
                where=f"feature view {self._view.reference}",
                hint=did_you_mean(column.name, names),
            )
        return batch.column(names.index(found[0]))

    def _created(self, batch: pa.RecordBatch) -> list[int]:
        column = self._view.created_at
        if column is None:
            return [NO_CREATED_TIME] * batch.num_rows
        return [NO_CREATED_TIME if us is None else us for us in time_cells(self._column(batch, column), column)]

    def _keys(self, batch: pa.RecordBatch) -> list[bytes]:
        if len(self._view.join_keys) == 1 and self._view.join_keys[0].type in INTEGERS:
            (column,) = self._view.join_keys
            values = column_cells(self._column(batch, column), column)
            if all(type(value) is int for value in values):
                return [integer_key(self._prefix, value) for value in values if isinstance(value, int)]
        parts = [_key_texts(self._column(batch, column), column) for column in self._view.join_keys]
        entities: Iterable[tuple[str, ...]] = zip(*parts, strict=True) if parts else repeat((), batch.num_rows)
        return [entity_key(self._prefix, texts) for texts in entities]

    def _values(self, event_us: Sequence[int], created_us: Sequence[int], columns: list[list[object]]) -> list[bytes]:
        pack, mark, fingerprint = self._pack, _array_mark_bytes(len(columns)), self._fingerprint
        cells = HEADER_CELLS + len(columns)
        rows: Iterable[tuple[object, ...]] = zip(*columns, strict=True) if columns else repeat((), len(event_us))
        return [
            header(cells, event, created, fingerprint) + pack(row)[mark:]
            for event, created, row in zip(event_us, created_us, rows, strict=True)
        ]


def _array_mark_bytes(length: int) -> int:
    """Count the bytes with which msgpack opens an array of this length: ours stand in the header instead."""
    return 1 if length <= 15 else 3


def _key_texts(array: pa.Array, column: Column) -> list[str]:
    values = column_cells(array, column)
    if column.type in {"timestamp", "timestamptz"}:
        values = [instant(us) for us in values if isinstance(us, int)]
    elif column.type in {"date", "time"}:
        values = array.cast(pa.date32() if column.type == "date" else pa.time64("us")).to_pylist()
    return [text for text in (key_text(value, column) for value in values) if text is not None]


def _expiries(event_us: Sequence[int], ttl_us: int, keep_until_ms: int) -> list[int]:
    """Return Unix milliseconds, rounded up; a store's clock begins at 1."""
    extra = EXPIRY_IN_TTLS * ttl_us + 999
    earliest = max(1, keep_until_ms)
    return [min(max(earliest, (us + extra) // 1000), _EXPIRES_MS_MAX) for us in event_us]
