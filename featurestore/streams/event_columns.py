"""Fields of events as Arrow columns of declared types; a value of another kind is told, and costs no other event.

Two ways lead to the same answer: a column whose values are all of the kind that Arrow takes at once, and value by value
(`online.json_values`, the rules of pushes): nothing is rounded, cut or guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import INTEGERS
from featurestore.online.json_values import json_value, reader_of
from featurestore.streams.schema import event_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.streams import Epoch
    from featurestore.definitions.views import Column

_REFUSED = (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError, pa.ArrowException)
_EXACT = 2**53
_SHOWN = 40
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NATIVE = (datetime, date, Decimal)
_PLAIN: dict[str, tuple[type, pa.DataType]] = {
    **{name: (int, pa.type_for_alias(name)) for name in INTEGERS - {"int128"}},
    "boolean": (bool, pa.bool_()),
    "string": (str, pa.string()),
}
_TEXTS = frozenset(("string", "uuid", "json"))
_WITHOUT_TYPE = ("struct<", "map<", "unknown:")


def event_column(
    values: Sequence[Any], column: Column, *, epoch: Epoch | None = None, is_text: bool = False
) -> tuple[pa.Array, dict[int, str]]:
    """Read one field of many events.

    Args:
        values: as the decoder gave them; None where an event has none.
        column: its name and type.
        epoch: the unit of times that are numbers; None refuses numbers.
        is_text: whether all values are text whatever their type (format ``fields``).

    Returns:
        An array of `schema.event_type`, NULL for what was refused; and by place, why.
    """
    if is_text:
        values = [None if value is None else value_of_text(value, column.type) for value in values]
    quick = quick_column(values, column.type, epoch)
    if quick is not None:
        return quick, {}
    return _one_by_one(values, column, epoch)


def quick_column(values: Sequence[Any], value_type: str, epoch: Epoch | None = None) -> pa.Array | None:
    """A column of values of one plain kind, all at once; None where they must be looked at one by one."""
    kinds = set(map(type, values))
    kinds.discard(NoneType)
    if not kinds:
        return None
    try:
        if value_type in {"timestamp", "timestamptz"}:
            return _times(values, kinds, value_type, epoch)
        if value_type == "float64":
            return _floats(values, kinds)
        plain = _PLAIN.get(value_type)
        return pa.array(values, plain[1]) if plain is not None and kinds == {plain[0]} else None
    except _REFUSED:
        return None


def _floats(values: Sequence[Any], kinds: set[type]) -> pa.Array | None:
    if kinds == {float}:
        return pa.array(values, pa.float64())
    if kinds <= {int, float}:
        array = pa.array([None if value is None else float(value) for value in values], pa.float64())
        most = pc.max(pc.abs(array)).as_py()
        return array if most < _EXACT else None
    return None


def _times(values: Sequence[Any], kinds: set[type], value_type: str, epoch: Epoch | None) -> pa.Array | None:
    kind = pa.timestamp("us", "UTC") if value_type == "timestamptz" else pa.timestamp("us")
    if kinds == {str}:
        texts = pa.array(values, pa.string())
        try:
            zoned = texts.cast(pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:
            zoned = texts.cast(pa.timestamp("us"))  # all without a zone, which is UTC (P14)
        return zoned.cast(pa.int64()).cast(kind)
    if kinds == {int} and epoch is not None:
        numbers = pa.array(values, pa.int64())
        if epoch == "ns":
            micros = pc.divide(pc.subtract(numbers, _remainder(numbers, 1_000)), 1_000)
        else:
            micros = pc.multiply_checked(numbers, 1_000_000 // _PER_SECOND[epoch])
        return micros.cast(kind)
    return None


def _remainder(numbers: pa.Array, by: int) -> pa.Array:
    """What is left of each after a division that rounds down."""
    return pa.array(np.mod(numbers.fill_null(0).to_numpy(), by))


def _one_by_one(values: Sequence[Any], column: Column, epoch: Epoch | None) -> tuple[pa.Array, dict[int, str]]:
    read, kind = _reader(column.type, epoch), event_type(column)
    refused: dict[int, str] = {}
    found: list[Any] = []
    for place, value in enumerate(values):
        try:
            one = None if value is None else read(value)
            if one is not None:
                pa.scalar(one, kind)
        except _REFUSED:
            refused[place] = (
                f"column '{column.name}': expected {column.type}, got {_shown(value)}{_hint(column, value, epoch)}"
            )
            one = None
        found.append(one)
    return pa.array(found, kind), refused


def _reader(value_type: str, epoch: Epoch | None) -> Any:  # noqa: ANN401
    """What reads one value; a time that is a number counts in units of the epoch."""
    if value_type == "json" or value_type.startswith(_WITHOUT_TYPE):
        return _as_json_text
    plain = reader_of(value_type)
    if not value_type.startswith("timestamp") or epoch is None:
        return lambda value: plain(json_value(value) if isinstance(value, (*_NATIVE, bytes)) else value)
    per_second = _PER_SECOND[epoch]

    def read(value: Any) -> Any:  # noqa: ANN401
        if type(value) in {int, float}:
            return int(value * 1_000_000 // per_second) if type(value) is int else round(value * 1_000_000 / per_second)
        return plain(json_value(value) if isinstance(value, _NATIVE) else value)

    return read


def _as_json_text(value: Any) -> str:  # noqa: ANN401
    """JSON text, as it is where it is that; what is not, a warehouse would refuse with all that came with it."""
    if type(value) is not str:
        return msgspec.json.encode(json_value(value)).decode()
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise ValueError from None
    return value


def value_of_text(text: str, value_type: str) -> Any:  # noqa: ANN401
    """What a text field says: numbers, true and false, lists and objects as JSON writes them; empty is NULL."""
    if value_type in _TEXTS or value_type == "bytes" or (text and value_type.startswith("decimal")):
        return text
    if not text:
        return None
    if value_type.startswith(("timestamp", "date", "time")) and not text.lstrip("-").isdigit():
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text


def _shown(value: Any) -> str:  # noqa: ANN401
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, UnicodeEncodeError):
        text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _hint(column: Column, value: Any, epoch: Epoch | None) -> str:  # noqa: ANN401
    if column.type.startswith("timestamp") and type(value) in {int, float} and epoch is None:
        return "; a number: say its unit, `epoch: ms` on the stream"
    return ""


def fields_of(decoded: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """One field of each event; None where it has none."""
    return [fields.get(name) for fields in decoded]
