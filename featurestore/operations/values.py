"""Exact comparison of values: what the warehouse gave, read as its declared type, and what a lookup answered.

The rules: floats are equal bit by bit, all NaN are one value and 0.0 is not -0.0; decimals by value and scale; lists
element by element; times to the microsecond. Nothing here uses the encoder that a sync uses.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import INTEGERS
from featurestore.online.arrow_types import arrow_type
from featurestore.online.codec import converter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMES = {"timestamp": pa.int64(), "timestamptz": pa.int64(), "date": pa.int32(), "time": pa.int64()}
_LARGEST_PACKED = 2**64 - 1
_SMALLEST_PACKED = -(2**63)
_pack = msgspec.msgpack.Encoder().encode


def warehouse_values(array: pa.Array, value_type: str) -> list[object]:
    """Turn a column as the warehouse gave it into the values that a lookup answers.

    Args:
        array: one Arrow column.
        value_type: the declared type (`definitions.types`).

    Raises:
        pyarrow.ArrowException: it cannot be read as that type without loss.
    """
    plain = _unwrapped(array)
    if pa.types.is_null(plain.type):
        return [None] * len(plain)
    if value_type == "uuid":
        return [None if value is None else str(_uuid(value)) for value in plain.to_pylist()]
    if value_type in _TIMES:
        convert = converter(value_type)
        assert convert is not None, value_type
        return [None if value is None else convert(value) for value in _whole_units(plain, value_type).to_pylist()]
    if value_type.startswith("list<") and arrow_type(value_type) is not None:
        return list(_lists(plain, value_type[len("list<") : -1]))
    wanted = arrow_type(value_type)
    if wanted is None:
        return [_nested(value) for value in plain.to_pylist()]
    return _scalars(plain, value_type, wanted)


def key_values(array: pa.Array, value_type: str) -> list[object]:
    """Turn a column of join keys into values that a lookup takes."""
    if value_type in _TIMES or value_type in INTEGERS or value_type == "uuid":
        return warehouse_values(array, value_type)
    values: list[object] = _unwrapped(array).to_pylist()
    return values


def microseconds_of(array: pa.Array) -> list[int | None]:
    """Turn a column of timestamps or dates into microseconds since 1970; naive is UTC (SEMANTICS P14)."""
    if pa.types.is_null(array.type):
        return [None] * len(array)
    counts: list[int | None] = _whole_units(array, "timestamp").to_pylist()
    return counts


def differing(warehouse: Sequence[object], served: Sequence[object]) -> list[int]:
    """Places at which two columns of equal length differ."""
    try:
        if _pack(warehouse) == _pack(served):
            return []
    except OverflowError:  # integers of more than 64 bits
        pass
    pairs = enumerate(zip(warehouse, served, strict=True))
    return [place for place, (one, other) in pairs if one is not other and _exact(one) != _exact(other)]


def exact(values: Sequence[object]) -> bytes:
    """Bytes that two sequences share if, and only if, they hold the same values."""
    return _exact(list(values))


def _exact(value: object) -> bytes:
    return _pack(_canonical(value))


def _canonical(value: object) -> object:
    """A value in the form in which equal bytes are equal values."""
    if isinstance(value, float):
        return math.nan if math.isnan(value) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value if _SMALLEST_PACKED <= value <= _LARGEST_PACKED else ["int", str(value)]
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return ["map", sorted((_exact(key), _exact(item)) for key, item in value.items())]
    return value


def _unwrapped(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def _whole_units(array: pa.Array, value_type: str) -> pa.Array:
    """Whole microseconds, or days of a date."""
    if value_type == "date":
        return array.cast(pa.date32()).cast(pa.int32())
    if value_type == "time":
        return array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    zone = array.type.tz if pa.types.is_timestamp(array.type) else None
    return array.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())


def _scalars(array: pa.Array, value_type: str, wanted: pa.DataType) -> list[object]:
    if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
        array = array.cast(pa.decimal256(76, wanted.scale))
    values: list[object] = (array if array.type == wanted else array.cast(wanted)).to_pylist()
    if value_type == "int128":
        return [int(value) if isinstance(value, Decimal) else None for value in values]
    return values


def _lists(array: pa.Array, inner_type: str) -> Iterator[list[object] | None]:
    items = warehouse_values(array.flatten(), inner_type)
    place = 0
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            yield None
        else:
            yield items[place : place + length]
            place += length


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    return UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value))


def _nested(value: object) -> object:
    """A value of a struct, a map or an unknown type as the online format writes it: times, decimals, UUIDs as text."""
    if isinstance(value, dict):
        return {key: _nested(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        return {_nested(key): _nested(item) for key, item in value}  # Arrow's way to show a map
    if isinstance(value, (list, tuple)):
        return [_nested(item) for item in value]
    return _text_if_special(value)


def _text_if_special(value: object) -> object:
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, UUID)) else value
