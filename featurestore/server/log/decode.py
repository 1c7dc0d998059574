"""Answers as they were sent, JSON, back to columns of the types that their views declare.

The rule: every value that `online.json_values.json_value` writes comes back equal; structs, maps and values of unknown
type stay JSON text (`definitions.feature_log.log_type`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.feature_log import is_json_text, is_logged_list, log_type
from featurestore.definitions.types import INTEGERS
from featurestore.online import json_values
from featurestore.online.arrow_types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from featurestore.definitions.feature_log import ServiceLog
    from featurestore.online.json_values import Read
    from featurestore.server.log.segments import Record

_NOT_FOUND = "NOT_FOUND"
_UTC_TIME = pa.timestamp("us", "UTC")
_REFUSALS = (pa.ArrowException, ValueError, TypeError, ArithmeticError)
_ROWS_PER_BATCH = 16_384


class _Column(msgspec.Struct):
    values: list[Any]
    statuses: list[str]
    event_timestamps: list[str]


class _Names(msgspec.Struct):
    feature_names: list[str]


class _Answer(msgspec.Struct):
    metadata: _Names
    results: list[_Column]


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(slots=True, kw_only=True)
class Unread:
    """What could not be read.

    Attributes:
        answers: that are none, or of another shape than their service's.
        values: that are none of their type; they are NULL in the log.
    """

    answers: int = 0
    values: int = 0


def log_schema(log: ServiceLog) -> pa.Schema:
    """The columns of a log as Arrow has them."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in log.columns])


def log_batches(
    log: ServiceLog, records: Iterable[tuple[str, Record]], unread: Unread, *, batch_rows: int = _ROWS_PER_BATCH
) -> Iterable[pa.RecordBatch]:
    """Read answers of one registry version into rows of the log.

    Args:
        log: what that version logs of the service.
        records: each with an id, which a row's id begins with.
        unread: counts what cannot be read.
        batch_rows: about so many rows a batch.

    Yields:
        Batches of `log_schema`, one row per kept entity of an answer, in order.
    """
    rows = _Rows(log)
    for record_id, record in records:
        try:
            answer = _decode(record.body)
            is_taken = rows.add(record_id, record, answer)
        except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
            is_taken = False
        unread.answers += not is_taken
        if rows.count >= batch_rows:
            yield rows.batch(unread)
            rows = _Rows(log)
    if rows.count:
        yield rows.batch(unread)


@dataclass(slots=True)
class _Rows:
    """Rows on their way into a batch, column by column."""

    log: ServiceLog
    count: int = 0
    heads: list[tuple[str, str, int, int]] = field(default_factory=list)
    keys: list[list[Any]] = field(init=False)
    values: list[list[Any]] = field(init=False)
    statuses: list[list[str]] = field(init=False)
    times: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [[] for _ in self.log.keys]
        self.values = [[] for _ in self.log.outputs]
        self.statuses = [[] for _ in self.log.outputs]
        self.times = [[] for _ in self.log.outputs]

    def add(self, record_id: str, record: Record, answer: _Answer) -> bool:
        """Take an answer; False, and nothing of it is taken, if it has another shape than the log."""
        names, results = answer.metadata.feature_names, answer.results
        given = len(results) - len(self.log.outputs)
        if given < 0 or len(names) != len(results) or not results:
            return False
        count = len(results[0].values)
        places = record.rows
        if any(not len(it.values) == len(it.statuses) == len(it.event_timestamps) == count for it in results):
            return False
        if places and max(places) >= count:
            return False
        kept = range(count) if places is None else places
        entities = dict(zip(names[:given], results[:given], strict=True))
        for key, values in zip(self.log.keys, self.keys, strict=True):
            found = entities.get(key.name)
            values += [None] * len(kept) if found is None else _chosen(found.values, places)  # noqa: PLW2901
        for number, result in enumerate(results[given:]):
            self.values[number] += _chosen(result.values, places)
            self.statuses[number] += _chosen(result.statuses, places)
            self.times[number] += _chosen(result.event_timestamps, places)
        head = (record.request_id, record.served_us, record.registry_version)
        self.heads += [(f"{record_id}/{at}", *head) for at in kept]
        self.count += len(kept)
        return True

    def batch(self, unread: Unread) -> pa.RecordBatch:
        schema = log_schema(self.log)
        arrays = [
            pa.array(values, kind) for values, kind in zip(zip(*self.heads, strict=True), schema.types, strict=False)
        ]
        for key, values in zip(self.log.keys, self.keys, strict=True):
            arrays.append(_array(values, key.type, key_reader_of(key.type), unread))
        for output, values, statuses, times in zip(
            self.log.outputs, self.values, self.statuses, self.times, strict=True
        ):
            arrays += [
                _array(values, output.feature.type, reader_of(output.feature.type), unread),
                pa.array(statuses, pa.string()),
                _times(times, statuses, unread),
            ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def without_nul(rows: pa.Table) -> tuple[pa.Table, int]:
    """Put NULL for texts with a NUL character, also in lists, and count them: not every warehouse can hold it."""
    lost = 0
    for place, name in enumerate(rows.column_names):
        column, count = _column_without_nul(rows.column(place).combine_chunks())
        if count:
            rows = rows.set_column(place, name, column)
            lost += count
    return rows, lost


def _column_without_nul(column: pa.Array) -> tuple[pa.Array, int]:
    """The same, of one column: text, or lists of whatever is text in the end."""
    if pa.types.is_list(column.type):
        inner, count = _column_without_nul(column.values)
        found = pa.ListArray.from_arrays(column.offsets, inner, column.type, mask=column.is_null()) if count else column
        return found, count
    if not pa.types.is_string(column.type):
        return column, 0
    has_nul = pc.fill_null(pc.match_substring(column, "\0"), False)
    count = pc.sum(has_nul).as_py() or 0
    return (pc.if_else(has_nul, pa.scalar(None, column.type), column), count) if count else (column, 0)


def _array(values: Sequence[Any], value_type: str, read: Read, unread: Unread) -> pa.Array:
    """Values as a column; one that is none of the type is NULL, and counted."""
    kind = arrow_type(log_type(value_type))
    try:
        return pa.array([None if value is None else read(value) for value in values], kind)
    except _REFUSALS:
        return pa.array([_read_or_null(value, read, kind, unread) for value in values], kind)


def _chosen(items: list[Any], places: list[int] | None) -> list[Any]:
    return items if places is None else [items[at] for at in places]


def _times(texts: Sequence[str | None], statuses: Sequence[str], unread: Unread) -> pa.Array:
    """Event times; NULL where nothing was found, for which an answer has 1970."""
    if _NOT_FOUND in statuses:
        texts = [None if status == _NOT_FOUND else text for text, status in zip(texts, statuses, strict=True)]
    try:
        return pa.array(texts, pa.string()).cast(_UTC_TIME)
    except pa.ArrowInvalid:
        return _array(texts, "timestamptz", reader_of("timestamptz"), unread)


def _read_or_null(value: Any, read: Read, kind: pa.DataType, unread: Unread) -> Any:  # noqa: ANN401
    try:
        found = None if value is None else read(value)
        pa.array([found], kind)
    except _REFUSALS:
        unread.values += 1
        return None
    return found


def reader_of(value_type: str) -> Read:
    """Return what reads JSON values of a type as the log has them."""
    if value_type == "int128":
        return Decimal
    if is_logged_list(value_type):
        inner = reader_of(value_type[len("list<") : -1])
        return lambda items: [None if item is None else inner(item) for item in items]
    if is_json_text(value_type):
        return _json_text
    return json_values.reader_of(value_type)


def key_reader_of(value_type: str) -> Read:
    """Return what reads join keys of a type, which may have been sent as text."""
    read = reader_of(value_type)
    if value_type in INTEGERS:
        return lambda value: read(int(value) if isinstance(value, str) else value)
    if value_type == "boolean":
        return lambda value: read({"true": True, "false": False}.get(value, value))
    return read


def _json_text(value: Any) -> str:  # noqa: ANN401
    return msgspec.json.encode(value).decode()
