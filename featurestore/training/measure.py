"""What can be said of rows while they pass by: how many, their hash, their NULLs, from when to when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.training.card import CardColumn, Interval
from featurestore.training.hash import RowHasher
from featurestore.training.type_names import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from featurestore.training.card import Card
    from featurestore.training.hash import ColumnHash

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found; fields as in `training.card.Card`."""

    rows: int
    columns: tuple[ColumnHash, ...]
    data_hash: str
    spine_hash: str
    interval: Interval | None


@dataclass(slots=True)
class Meter:
    """Measures the rows of one schema, batch by batch.

    Args:
        schema: of the batches.
        spine: names of the spine's columns.
        time: the column whose first and last value are wanted; None if there is none.
    """

    schema: pa.Schema
    spine: Collection[str] = ()
    time: str | None = None
    _hasher: RowHasher = field(init=False)
    _ends: list[int] = field(default_factory=list, init=False)
    _unit: str = field(default="us", init=False)

    def __post_init__(self) -> None:
        self._hasher = RowHasher(self.schema, self.spine)

    @classmethod
    def of(cls, schema: pa.Schema, card: Card) -> Meter:
        """A meter for rows that a card is, or will be, about."""
        time = card.time if card.time in schema.names else None
        return cls(schema, spine=frozenset(() if card.spine is None else card.spine.columns), time=time)

    def watch(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Hand the batches on, each measured."""
        for batch in batches:
            self._hasher.add(batch)
            if self.time is not None:
                self._see(plain(batch.column(self.time)))
            yield batch

    @property
    def measured(self) -> Measured:
        """What was found so far."""
        hasher = self._hasher
        return Measured(
            rows=hasher.rows,
            columns=hasher.columns,
            data_hash=hasher.data_hash,
            spine_hash=hasher.spine_hash,
            interval=self._interval(),
        )

    def _see(self, times: pa.Array) -> None:
        if not pa.types.is_timestamp(times.type):
            return
        both = pc.min_max(times.view(pa.int64())).as_py()
        if both["min"] is not None:
            found = [*self._ends, both["min"], both["max"]]
            self._ends, self._unit = [min(found), max(found)], times.type.unit

    def _interval(self) -> Interval | None:
        if self.time is None:
            return None
        first, last = (_moment(end, self._unit) for end in self._ends) if self._ends else (None, None)
        return Interval(column=self.time, first=first, last=last)


def measured_card(card: Card, rows: pa.RecordBatchReader) -> Card:
    """Read rows to the end, keep none, and complete the card that is about them."""
    meter = Meter.of(rows.schema, card)
    for _ in meter.watch(rows):
        pass
    return completed(card, meter.measured)


def completed(card: Card, measured: Measured) -> Card:
    """Complete a card with what was measured."""
    known = {column.name: column.feature for column in card.columns}
    rows = measured.rows
    columns = tuple(
        CardColumn(
            name=each.name,
            type=each.type,
            feature=known.get(each.name),
            nulls=each.nulls,
            null_share=round(each.nulls / rows, 6) if rows else 0.0,
            hash=each.hash,
        )
        for each in measured.columns
    )
    return replace(
        card,
        rows=rows,
        columns=columns,
        interval=measured.interval,
        data_hash=measured.data_hash,
        spine=None if card.spine is None else replace(card.spine, hash=measured.spine_hash),
    )


def _moment(count: int, unit: str) -> str | None:
    """ISO text in UTC, to the microsecond; None beyond the calendar, such as infinity."""
    try:
        found = _EPOCH + timedelta(microseconds=count // 1_000 if unit == "ns" else count * _MICROSECONDS[unit])
    except OverflowError:
        return None
    return f"{found.replace(tzinfo=None).isoformat()}Z"
