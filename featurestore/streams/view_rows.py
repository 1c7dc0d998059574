"""Rows of a view, made of a batch of events and checked: what passes can be written, the rest says why not.

The rules: an event that one view refuses is refused; it would be missing from the table of events, and its rows would
have no source. A deletion is a row like any other where the view's SQL asks for `_deleted`; else it removes the entity.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.streams import PUBLISHED_AT
from featurestore.errors import UsageError
from featurestore.online.cells import microseconds_of
from featurestore.online.codec import instant, microseconds
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.sql.row_level import EVENT_NUMBER, reads_deletions, row_level_sql
from featurestore.streams.column_types import declared_or_problems
from featurestore.streams.compile import wanted_columns
from featurestore.streams.decode import shown
from featurestore.streams.message_keys import keys_of
from featurestore.streams.messages import Problem
from featurestore.streams.online_rows import Deletions
from featurestore.streams.tombstones import names_of
from featurestore.streams.transform import Transform

if TYPE_CHECKING:
    import numpy.typing as npt

    from featurestore.definitions.views import Column, FeatureView
    from featurestore.streams.events import Events
    from featurestore.streams.messages import Messages, Reason

    Problems = dict[int, Problem]

EARLIEST = datetime(1980, 1, 1, tzinfo=timezone.utc)
"""Of event times: earlier ones are numbers in another unit than was thought."""
_EARLIEST_US = microseconds(EARLIEST)


@dataclass(slots=True, kw_only=True)
class ViewRows:
    """What a batch of events says of one view.

    Attributes:
        view: the definition.
        rows: columns by name, as `wanted_columns` and the created time, and the place of each row's message.
        deletions: entities that go, with the place of each message in `deleted_by`.
        deleted_by: places in the batch.
        problems: by place in the batch, why an event makes no row of this view.
    """

    view: FeatureView
    rows: pa.RecordBatch
    deletions: Deletions | None
    deleted_by: npt.NDArray[np.int64]
    problems: Problems

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Of each row, the place of its message in the batch."""
        numbers: npt.NDArray[np.int64] = self.rows.column(EVENT_NUMBER).to_numpy()
        return numbers

    def without(self, refused: set[int]) -> tuple[pa.RecordBatch, Deletions | None]:
        """Rows and deletions of messages at other places than these."""
        rows, deletions = self.rows, self.deletions
        if refused:
            gone = pa.array(sorted(refused), pa.int64())
            rows = rows.filter(pc.invert(pc.is_in(rows.column(EVENT_NUMBER), value_set=gone)))
            if deletions is not None:
                keep = pc.invert(pc.is_in(pa.array(self.deleted_by), value_set=gone))
                deletions = _filtered(deletions, keep)
        return rows, deletions


class RowMaker:
    """Makes rows of one view; for one thread.

    Args:
        view: with a stream.

    Raises:
        UsageError: its SQL is none that `apply` writes.
    """

    def __init__(self, view: FeatureView) -> None:
        assert view.stream is not None, view.reference
        self._view = view
        self._ahead_us = view.stream.ahead_us
        sql = _checked(view.stream.sql, view) if view.stream.sql else ""
        self._transform = Transform(sql) if sql else None
        self._has_rows_of_deletions = bool(sql) and reads_deletions(sql)
        self._wanted = wanted_columns(view)

    def make(self, messages: Messages, events: Events) -> ViewRows:
        """Make the rows of a batch."""
        problems: Problems = {}
        made = self._made(events, problems)
        rows = self._named(made, events)
        problems_of_rows: Problems = {}
        is_delete, buried = None, events.tombstones
        if self._has_rows_of_deletions:
            own = set(made.column(EVENT_NUMBER).to_pylist()) if buried else set()
            buried = [row for row in buried if row not in own and int(events.places[row]) not in problems]
            rows = self._without_nameless(rows, messages, events, problems_of_rows)
        elif events.deletes.any():
            is_delete = events.deletes[made.column(EVENT_NUMBER).to_numpy()]
        live = rows if is_delete is None else rows.filter(pa.array(~is_delete))
        live = self._checked(live, problems_of_rows)
        parts = [] if is_delete is None else [self._deleted(rows.filter(pa.array(is_delete)), problems_of_rows)]
        if buried:
            places = [place for row in buried if (place := int(events.places[row])) not in self._unconcerned(events)]
            parts.append(self._buried(places, messages))
        deletions, deleted_by = _together(parts)
        problems.update(problems_of_rows)
        return ViewRows(view=self._view, rows=live, deletions=deletions, deleted_by=deleted_by, problems=problems)

    def close(self) -> None:
        """Close what is open."""
        if self._transform is not None:
            self._transform.close()

    def _made(self, events: Events, problems: Problems) -> pa.Table:
        """What the SQL makes of the events, with the row of each; of those without a body only where it asks."""
        table = events.table
        numbers = np.arange(table.num_rows)
        if events.tombstones and not self._has_rows_of_deletions:
            numbers = np.delete(numbers, events.tombstones)
            table = table.take(pa.array(numbers))
        if self._transform is None:
            return table.append_column(EVENT_NUMBER, pa.array(numbers))
        made, refused = self._transform.run(table)
        for row, detail in refused.items():
            problems[int(events.places[numbers[row]])] = self._problem("transform_failed", detail)
        place = made.schema.get_field_index(EVENT_NUMBER)
        return made.set_column(place, EVENT_NUMBER, pa.array(numbers[made.column(EVENT_NUMBER).to_numpy()]))

    def _named(self, made: pa.Table, events: Events) -> pa.RecordBatch:
        """The view's columns, and the place of each row's message."""
        created, numbers = self._view.created_at, made.column(EVENT_NUMBER)
        columns = {column.name: _whole(made.column(column.name)) for column in self._wanted}
        if created is not None and created.name not in columns:
            if created.name in made.column_names:
                columns[created.name] = _whole(made.column(created.name))
            else:
                columns[created.name] = _whole(events.table.column(PUBLISHED_AT).take(numbers))
        places = events.places[numbers.to_numpy()]
        return pa.RecordBatch.from_pydict({**columns, EVENT_NUMBER: pa.array(places, pa.int64())})

    def _without_nameless(
        self, rows: pa.RecordBatch, messages: Messages, events: Events, problems: Problems
    ) -> pa.RecordBatch:
        """Leave out rows of messages without a body of which the SQL does not know the entity, or the time."""
        if not events.tombstones:
            return rows
        tombstones = pa.array(events.places[events.tombstones], pa.int64())
        is_tombstone = pc.is_in(rows.column(EVENT_NUMBER), value_set=tombstones)
        unconcerned = self._unconcerned(events)
        for column in (*self._view.join_keys, self._view.event_time):
            bad = pc.and_(rows.column(column.name).is_null(), is_tombstone)
            for place in rows.column(EVENT_NUMBER).filter(bad).to_pylist():
                if place in unconcerned:
                    continue
                key = messages.keys[place]
                told = "no message key" if key is None else f"the message key {shown(key)}"
                said = f"the SQL makes a NULL '{column.name}' of a tombstone with {told}"
                problems.setdefault(place, self._problem("bad_tombstone", said))
            rows, is_tombstone = rows.filter(pc.invert(bad)), is_tombstone.filter(pc.invert(bad))
        return rows

    def _checked(self, rows: pa.RecordBatch, problems: Problems) -> pa.RecordBatch:
        """Rows that can be written; the others are noted."""
        view = self._view
        for column in view.join_keys:
            rows = self._sift(rows, rows.column(column.name).is_null(), "missing_key", column, problems)
        column = view.event_time
        rows = self._sift(rows, rows.column(column.name).is_null(), "missing_event_time", column, problems)
        rows = self._in_time(rows, problems)
        for column in self._wanted:
            array, bad = declared_or_problems(rows.column(column.name), column)
            if bad:
                places = rows.column(EVENT_NUMBER)
                for row, detail in bad.items():
                    problems.setdefault(places[row].as_py(), self._problem("type_mismatch", detail))
                keep = np.ones(rows.num_rows, bool)
                keep[list(bad)] = False
                rows = rows.filter(pa.array(keep))
            elif array is not None:
                rows = rows.set_column(rows.schema.get_field_index(column.name), column.name, array)
        return rows

    def _in_time(self, rows: pa.RecordBatch, problems: Problems) -> pa.RecordBatch:
        """Rows of our days, and not of the future."""
        column = self._view.event_time
        try:
            event_us = microseconds_of(rows.column(column.name), column)
        except UsageError as error:
            everything = pa.array([True] * rows.num_rows, pa.bool_())
            return self._sift(rows, everything, "type_mismatch", column, problems, error.what)
        early = pc.less(event_us, _EARLIEST_US)
        if pc.any(early).as_py():
            said = f"is before {EARLIEST.year}: is its unit another one?"
            rows = self._sift(rows, early, "event_time_out_of_range", column, problems, said)
            event_us = microseconds_of(rows.column(column.name), column)
        until = time.time_ns() // 1_000 + self._ahead_us
        late = pc.greater(event_us, until)
        if pc.any(late).as_py():
            said = f"is later than now and {self._ahead_us // 1_000_000} s"
            rows = self._sift(rows, late, "future_event_time", column, problems, said)
        return rows

    def _sift(
        self,
        rows: pa.RecordBatch,
        bad: pa.Array,
        reason: Reason,
        column: Column,
        problems: Problems,
        said: str = "is null",
    ) -> pa.RecordBatch:
        if not pc.any(bad).as_py():
            return rows
        refused = rows.filter(bad)
        for place, value in zip(
            refused.column(EVENT_NUMBER).to_pylist(), _shown(refused.column(column.name)), strict=True
        ):
            got = "" if value is None else f" {value}"
            problems.setdefault(place, self._problem(reason, f"column '{column.name}'{got} {said}"))
        return rows.filter(pc.invert(bad))

    def _deleted(self, rows: pa.RecordBatch, problems: Problems) -> tuple[Deletions, npt.NDArray[np.int64]]:
        """Deletions that events with a body say."""
        view = self._view
        for column in view.join_keys:
            rows = self._sift(rows, rows.column(column.name).is_null(), "missing_key", column, problems)
        column = view.event_time
        rows = self._sift(rows, rows.column(column.name).is_null(), "missing_event_time", column, problems)
        rows = self._in_time(rows, problems)
        event_us = microseconds_of(rows.column(column.name), column)
        created_us = _none(rows.num_rows)
        if view.created_at is not None:
            created_us = microseconds_of(rows.column(view.created_at.name), view.created_at).fill_null(NO_CREATED_TIME)
        keys = rows.select([key.name for key in view.join_keys])
        return Deletions(keys=keys, event_us=event_us, created_us=created_us), rows.column(EVENT_NUMBER).to_numpy()

    def _buried(self, places: list[int], messages: Messages) -> tuple[Deletions, npt.NDArray[np.int64]]:
        """Deletions that messages without a body say, by their keys, as of when they were published."""
        view = self._view
        keys, _ = keys_of([messages.keys[place] for place in places], view.join_keys)
        now_us = time.time_ns() // 1_000
        event_us = pa.array([messages.published_us[place] or now_us for place in places], pa.int64())
        created_us = event_us if view.created_at is not None else _none(len(places))
        return Deletions(keys=keys, event_us=event_us, created_us=created_us), np.asarray(places, np.int64)

    def _unconcerned(self, events: Events) -> set[int]:
        """Places of tombstones that delete rows of other views only."""
        return events.unnamed.get(names_of(self._view), set())

    def _problem(self, reason: Reason, detail: str) -> Problem:
        return Problem(reason=reason, detail=detail, view=self._view.reference)


def _together(
    parts: list[tuple[Deletions, npt.NDArray[np.int64]]],
) -> tuple[Deletions | None, npt.NDArray[np.int64]]:
    """All deletions of a batch, and the places of their messages."""
    found = [part for part in parts if part[0].keys.num_rows]
    if not found:
        return None, np.zeros(0, np.int64)
    keys = pa.Table.from_batches([part.keys for part, _ in found]).combine_chunks().to_batches()[0]
    deletions = Deletions(
        keys=keys,
        event_us=pa.concat_arrays([part.event_us for part, _ in found]),
        created_us=pa.concat_arrays([part.created_us for part, _ in found]),
    )
    return deletions, np.concatenate([places for _, places in found])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _none(count: int) -> pa.Array:
    return pa.array(np.full(count, NO_CREATED_TIME, np.int64))


def _filtered(deletions: Deletions, keep: pa.Array) -> Deletions:
    return Deletions(
        keys=deletions.keys.filter(keep),
        event_us=deletions.event_us.filter(keep),
        created_us=deletions.created_us.filter(keep),
    )


def _shown(column: pa.Array) -> list[Any]:
    """Values for messages; a time that Python cannot say is its nearest."""
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        return [None if value is None else instant(value).isoformat() for value in micros.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]


def _checked(sql: str, view: FeatureView) -> str:
    """Check SQL that came with the registry, where another than `apply` may have written it; returns it as it is."""
    try:
        row_level_sql(sql, dialect="duckdb", names=())
    except UsageError as error:
        hint = "run featurestore apply, and find out who wrote the registry"
        raise UsageError(f"none that apply takes: {error.what}", where=f"SQL of {view.reference}", hint=hint) from None
    return sql
