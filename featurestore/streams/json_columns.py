"""JSON values as Arrow columns of the types that a view declares; nothing is rounded, cut or guessed.

The rule: what `serving.json_values` writes is read back equal, and a value of another kind is refused with its row.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pyarrow as pa

from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.keys import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column

Read = Callable[[Any], Any]
"""Turns a JSON value that is not null into one that Arrow takes; raises ValueError or TypeError for another kind."""

_REFUSED = (ValueError, TypeError, ArithmeticError, pa.ArrowException)
_SHOWN = 40
_NON_FINITE = frozenset(("NaN", "Infinity", "-Infinity"))


def json_column(values: Sequence[Any], column: Column) -> pa.Array:
    """Read JSON values as a column.

    Args:
        values: as `msgspec.json` decodes them; None is NULL.
        column: its name, for errors, and its type.

    Returns:
        An array of the type's Arrow type; of structs and maps, of the type that Arrow finds.

    Raises:
        UsageError: names the column, the row, the type and what was got.
    """
    kind, read = arrow_type(column.type), reader_of(column.type)
    try:
        return pa.array([None if value is None else read(value) for value in values], kind)
    except _REFUSED:
        return pa.array([_checked(value, column, row) for row, value in enumerate(values)], kind)


def _checked(value: Any, column: Column, row: int) -> Any:  # noqa: ANN401
    """Read one value, on the way to the one that is refused."""
    try:
        found = None if value is None else reader_of(column.type)(value)
        pa.array([found], arrow_type(column.type))
    except _REFUSED:
        shown = msgspec.json.encode(value).decode()
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        raise UsageError(
            f"expected {column.type}, got {shown}", where=f"column '{column.name}', row {row}", hint=_hint(column.type)
        ) from None
    return found


def _hint(value_type: str) -> str | None:
    if value_type.startswith("timestamp") or value_type == "date":
        return 'write it as ISO 8601, e.g. "2026-01-31T12:30:00Z"'
    return "write it in base64" if value_type == "bytes" else None


def reader_of(value_type: str) -> Read:
    """Return what reads JSON values of a type."""
    if value_type in INTEGERS:
        return _integer
    if value_type in FLOATS:
        return _float
    if value_type.startswith("decimal("):
        return _decimal
    if value_type.startswith("list<"):
        return _list_reader(value_type[len("list<") : -1])
    return _READERS.get(value_type, _anything)


def _integer(value: Any) -> int:  # noqa: ANN401
    """A whole number; written as 3.0 too, as columns of numbers with gaps often are."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise TypeError


def _float(value: Any) -> float:  # noqa: ANN401
    if type(value) is float:
        return value
    if type(value) is int or value in _NON_FINITE:
        number = float(value)
        if type(value) is int and int(number) != value:
            raise ValueError
        return number
    raise TypeError


def _decimal(value: Any) -> Decimal:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _list_reader(item_type: str) -> Read:
    read = reader_of(item_type)

    def read_list(items: Any) -> list[Any]:  # noqa: ANN401
        if not isinstance(items, list):
            raise TypeError
        return [None if item is None else read(item) for item in items]

    return read_list


def _boolean(value: Any) -> bool:  # noqa: ANN401
    if type(value) is bool:
        return value
    raise TypeError


def _text(value: Any) -> str:  # noqa: ANN401
    if type(value) is str:
        return value
    raise TypeError


def _json(value: Any) -> str:  # noqa: ANN401
    return value if type(value) is str else msgspec.json.encode(value).decode()


def _uuid(value: Any) -> str:  # noqa: ANN401
    return str(UUID(_text(value)))


def _bytes(value: Any) -> bytes:  # noqa: ANN401
    try:
        return b64decode(_text(value), validate=True)
    except binascii.Error:
        raise ValueError from None


def _instant(value: Any) -> datetime:  # noqa: ANN401
    return parse_instant(_text(value))


def _naive(value: Any) -> datetime:  # noqa: ANN401
    return _instant(value).astimezone(timezone.utc).replace(tzinfo=None)


def _date(value: Any) -> date:  # noqa: ANN401
    """A day; also written as its first moment, as dates in data frames often are."""
    moment = parse_instant(_text(value))
    if moment.time() != time.min:
        raise ValueError
    return moment.date()


def _time(value: Any) -> time:  # noqa: ANN401
    moment = time.fromisoformat(_text(value))
    if moment.tzinfo is not None:
        raise ValueError
    return moment


def _anything(value: Any) -> Any:  # noqa: ANN401
    return value


_READERS: dict[str, Read] = {
    "boolean": _boolean,
    "string": _text,
    "json": _json,
    "uuid": _uuid,
    "bytes": _bytes,
    "date": _date,
    "time": _time,
    "timestamptz": _instant,
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), _naive),
}
