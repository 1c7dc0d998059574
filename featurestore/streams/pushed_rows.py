"""What is pushed, as rows of the view: from JSON values, or from a pandas, polars or Arrow frame.

The rule: all columns of a row are given, under the view's names; the event time may be called ``event_timestamp``, and
a created time that is missing is now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable
from uuid import UUID

import msgspec
import pyarrow as pa

from featurestore.definitions.views import Column
from featurestore.errors import UsageError, did_you_mean
from featurestore.online.arrow_types import arrow_type
from featurestore.streams.column_types import declared_or_problems
from featurestore.streams.json_columns import json_column

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView

Values = TypeVar("Values")


EVENT_TIME = "event_timestamp"
"""What Feast calls every view's event time."""
_CREATED = ("created", "created_timestamp")
"""What Feast's clients call the two times, whatever the view calls them."""
_SHOWN = 40
_MISSING = ("NaTType", "NAType")
_FORMS = "give a pandas, polars or Arrow frame, a mapping of columns, or a list of rows"


@runtime_checkable
class Frame(Protocol):
    """Any frame that speaks Arrow's C stream: pandas, polars, pyarrow, DuckDB relations."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand out an Arrow stream."""
        ...


def rows_of(view: FeatureView, columns: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """Read a view's rows from JSON values.

    Args:
        view: the definition.
        columns: one list of values per column, all of one length: join keys, event time, every feature, the end of
            validity if the view has one. The event time may be called ``event_timestamp``; a created time that is
            missing is now.

    Returns:
        A batch with the view's own column names.

    Raises:
        UsageError: a column is missing, unknown or longer than another, or a value is not of its type.
    """
    wanted = view.row_columns
    found = _named(view, columns, wanted, has_nulls=lambda values: None in values)
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise UsageError(
            f"the columns differ in length: {got}", where=place_of_push(view), hint="give each row all columns"
        )
    arrays = {column.name: json_column(found[column.name], column) for column in wanted if column.name in found}
    return _with_created(view, _texts_of_a_kind(view, arrays), next(iter(lengths.values()), 0))


def rows_of_frame(view: FeatureView, frame: object) -> pa.RecordBatch:
    """Read a view's rows from what a notebook has.

    Args:
        view: the definition.
        frame: a pandas, polars or Arrow frame; a mapping of columns to lists; a list of rows, each a mapping.

    Returns:
        A batch with the view's own column names and types.

    Raises:
        UsageError: it is none of these; otherwise as `rows_of`.
    """
    if isinstance(frame, Mapping):
        return rows_of(view, _plain_columns(frame, place_of_push(view)))
    if isinstance(frame, (list, tuple)) and all(isinstance(row, Mapping) for row in frame):
        names = dict.fromkeys(name for row in frame for name in row) or [column.name for column in view.row_columns]
        columns = {name: [row.get(name) for row in frame] for name in names}
        return rows_of(view, _plain_columns(columns, place_of_push(view)))
    table = _arrow_of(frame, view)
    wanted = view.row_columns
    arrived = {name: table.column(name).combine_chunks() for name in table.column_names}
    found = _named(view, arrived, wanted, has_nulls=lambda array: array.null_count > 0)
    arrays = {column.name: _typed(found[column.name], column, view) for column in wanted if column.name in found}
    return _with_created(view, _texts_of_a_kind(view, arrays), table.num_rows)


def place_of_push(view: FeatureView) -> str:
    """Where a push went wrong, for errors."""
    return f"a push to feature view {view.reference}"


def _arrow_of(frame: object, view: FeatureView) -> pa.Table:
    try:
        if type(frame).__module__.startswith("pandas."):
            return pa.Table.from_pandas(frame, preserve_index=False)
        if isinstance(frame, Frame):
            return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        what = f"cannot read this {type(frame).__name__}: {error}"
        raise UsageError(what, where=place_of_push(view), hint=_FORMS) from error
    raise UsageError(f"cannot read rows from a {type(frame).__name__}", where=place_of_push(view), hint=_FORMS)


def _plain_columns(columns: Mapping[Any, Any], where: str) -> dict[str, list[Any]]:
    from featurestore.online.json_values import json_value

    found = {}
    for name, values in columns.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            hint = f"give a list of values: {{{str(name)!r}: [...]}}"
            raise UsageError(f"column '{name}': expected a list, got {type(values).__name__}", where=where, hint=hint)
        found[str(name)] = [None if _is_missing(value) else json_value(value) for value in values]
    return found


def _is_missing(value: object) -> bool:
    """Whether it is one of the marks of pandas for no value; NaN is a number."""
    return type(value).__name__ in _MISSING


def _typed(array: pa.Array, column: Column, view: FeatureView) -> pa.Array:
    """A frame's column in the view's type; floats that are whole may stand for integers, as pandas writes gaps."""
    if not len(array):  # of a frame without rows no library knows the types
        return pa.array([], arrow_type(column.type) or array.type)
    typed, problems = declared_or_problems(array, column)
    if problems:
        row, detail = min(problems.items())
        raise UsageError(f"row {row}: {detail}", where=place_of_push(view))
    return array if typed is None else typed


def _texts_of_a_kind(view: FeatureView, arrays: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Have texts be JSON or UUIDs where the view says so: no model could be built of others in ``<view>__pushed``."""
    for column in view.row_columns:
        read = _TEXTS.get(column.type)
        if read is None or column.name not in arrays:
            continue
        texts = arrays[column.name].to_pylist()
        for row, text in enumerate(texts):
            try:
                texts[row] = None if text is None else read(text)
            except ValueError:
                what = f"row {row}: column '{column.name}': expected {column.type}, got {str(text)[:_SHOWN]!r}"
                hint = """a text as JSON is '"text"'""" if column.type == "json" else None
                raise UsageError(what, where=place_of_push(view), hint=hint) from None
        arrays[column.name] = pa.array(texts, pa.string())
    return arrays


def _json_text(text: str) -> str:
    msgspec.json.decode(text)
    return text


_TEXTS: dict[str, Callable[[str], str]] = {"json": _json_text, "uuid": lambda text: str(UUID(text))}


def _named(
    view: FeatureView, columns: Mapping[str, Values], wanted: Iterable[Column], *, has_nulls: Callable[[Values], bool]
) -> dict[str, Values]:
    """Bring the columns under the view's own names."""
    found = dict(columns)
    names = [column.name for column in wanted]
    if EVENT_TIME in found and EVENT_TIME not in names and view.event_time.name not in found:
        found[view.event_time.name] = found.pop(EVENT_TIME)
    for name in _CREATED:
        if name in found and name not in names:
            given = found.pop(name)
            if view.created_at is not None and not has_nulls(given):
                found.setdefault(view.created_at.name, given)
    optional = {} if view.created_at is None else {view.created_at.name}
    for name in names:
        if name not in found and name not in optional:
            hint = f"a push replaces whole rows: give {', '.join(names)}; null where a value is not known"
            raise UsageError(f"missing column '{name}'", where=place_of_push(view), hint=hint)
    for name in found:
        if name not in names:
            raise UsageError(f"no column '{name}'", where=place_of_push(view), hint=did_you_mean(name, names))
    return found


def _with_created(view: FeatureView, arrays: dict[str, pa.Array], count: int) -> pa.RecordBatch:
    if view.created_at is not None and view.created_at.name not in arrays:
        now = pa.scalar(time.time_ns() // 1_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
        kind = arrow_type(view.created_at.type) or now.type
        arrays[view.created_at.name] = pa.repeat(now, count).cast(kind, safe=False)
    return pa.RecordBatch.from_pydict(arrays)
