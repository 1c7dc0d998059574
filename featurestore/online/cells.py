"""Arrow columns as lists of the plain values that msgpack knows: what `online.codec` turns back.

Times become whole microseconds, dates days, decimals and UUIDs text; inside structs, maps and values of unknown type
times, decimals and UUIDs are ISO text, since only the data knows them.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import FAMILIES
from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.views import Column


def column_cells(array: pa.Array, column: Column) -> list[object]:
    """Turn one Arrow column into cells.

    Args:
        array: as the warehouse gave it.
        column: as the view declares it.

    Returns:
        One plain value per row, None for NULL.

    Raises:
        UsageError: the warehouse's type is not the declared one and cannot be read as it without loss.
    """
    try:
        return _cells(_unwrapped(array), column.type)
    except pa.ArrowException as problem:
        raise UsageError(
            f"expected {column.type}, the warehouse gave {array.type}: {str(problem).splitlines()[0]}",
            where=f"column '{column.name}'",
            hint="the model's types changed since the last apply; run featurestore apply",
        ) from problem


def time_cells(array: pa.Array, column: Column) -> list[int | None]:
    """Turn a column of timestamps or dates into microseconds since 1970; naive is UTC (P14).

    Raises:
        UsageError: as for `column_cells`.
    """
    as_timestamp = pa.types.is_timestamp(array.type) or pa.types.is_date(array.type) or pa.types.is_null(array.type)
    if not as_timestamp:
        raise UsageError(
            f"expected a timestamp or date, the warehouse gave {array.type}",
            where=f"column '{column.name}'",
            hint="the model's types changed since the last apply; run featurestore apply",
        )
    return _microseconds(array)


def _microseconds(array: pa.Array) -> list[int | None]:
    zone = array.type.tz if pa.types.is_timestamp(array.type) else None
    counts: list[int | None] = array.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64()).to_pylist()
    return counts


def _unwrapped(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if isinstance(array.type, pa.BaseExtensionType) and not _is_binary(array.type.storage_type):
        return array.storage
    return array


def _cells(array: pa.Array, value_type: str) -> list[object]:
    wanted = arrow_type(value_type)
    if pa.types.is_null(array.type):
        return [None] * len(array)
    if value_type == "uuid":
        return [None if value is None else str(_uuid(value)) for value in array.to_pylist()]
    if value_type.startswith("map<"):
        return [None if value is None else _plain(dict(value)) for value in array.to_pylist()]
    if wanted is None:
        return [_plain(value) for value in array.to_pylist()]
    if value_type.startswith("list<"):
        return list(_lists(array, value_type[len("list<") : -1]))
    if _family(array.type) != _family(wanted):
        raise pa.ArrowTypeError("the two have nothing in common")
    return _scalars(array, value_type, wanted)


def _scalars(array: pa.Array, value_type: str, wanted: pa.DataType) -> list[object]:
    if value_type in {"timestamp", "timestamptz"}:
        return list(_microseconds(array))
    if value_type == "date":
        return list(array.cast(pa.date32()).cast(pa.int32()).to_pylist())
    if value_type == "time":
        return list(array.cast(pa.time64("us"), safe=False).cast(pa.int64()).to_pylist())
    if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
        array = array.cast(pa.decimal256(76, wanted.scale))  # Arrow wants room for the greatest integer of the type
    exact = array if array.type == wanted else array.cast(wanted)
    if pa.types.is_decimal(wanted):
        exact = exact.cast(pa.string())
    return list(exact.to_pylist())


def _lists(array: pa.Array, inner_type: str) -> Iterator[list[object] | None]:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or _is_fixed_list(array.type)):
        raise pa.ArrowTypeError("expected lists")
    items = _cells(_unwrapped(array.flatten()), inner_type)
    position = 0
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            yield None
        else:
            yield items[position : position + length]
            position += length


def _is_fixed_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _family(kind: pa.DataType) -> str:
    """Say what a type may be read as without changing its meaning."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view":
        return "string"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_time(kind):
        return "clock"
    if _is_binary(kind) or str(kind) == "binary_view":
        return "bytes"
    return FAMILIES.get(str(kind), "boolean" if pa.types.is_boolean(kind) else str(kind))


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    return UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value))


def _plain(value: object) -> object:
    """Turn a value of a nested or unknown type into what msgpack knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        return {_plain(key): _plain(item) for key, item in value}  # Arrow's way to show a map
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    return _text_if_special(value)


def _text_if_special(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, UUID)) else value
