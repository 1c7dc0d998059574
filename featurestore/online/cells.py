"""Arrow columns as the few things that MessagePack knows: what `online.codec` turns back.

Times become whole microseconds, dates days, decimals and UUIDs text; inside structs, maps and values of unknown type
times, decimals and UUIDs are ISO text, since only the data knows them.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import FAMILIES
from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.uuid_texts import uuid_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.views import Column


@contextmanager
def refused_unless_declared(array: pa.Array, column: Column) -> Iterator[None]:
    """Turn Arrow's refusal to read a column as its declared type into an error that says what to do.

    Raises:
        UsageError: names the column, its declared type and the warehouse's.
    """
    try:
        yield
    except pa.ArrowException as problem:
        raise UsageError(
            f"expected {column.type}, the warehouse gave {array.type}: {str(problem).splitlines()[0]}",
            where=f"column '{column.name}'",
            hint="the model's types changed since the last apply; run featurestore apply",
        ) from problem


def microseconds_of(array: pa.Array, column: Column) -> pa.Array:
    """Turn a column of timestamps or dates into microseconds since 1970, int64; naive is UTC (P14).

    Raises:
        UsageError: the column holds something else.
    """
    as_timestamp = pa.types.is_timestamp(array.type) or pa.types.is_date(array.type) or pa.types.is_null(array.type)
    if not as_timestamp:
        raise UsageError(
            f"expected a timestamp or date, the warehouse gave {array.type}",
            where=f"column '{column.name}'",
            hint="the model's types changed since the last apply; run featurestore apply",
        )
    return _microseconds(array)


def scalar_cells(array: pa.Array, value_type: str) -> pa.Array | None:
    """Turn a column into cells that are numbers, booleans, texts or bytes.

    Args:
        array: as the warehouse gave it.
        value_type: as the view declares it (`definitions.types`).

    Returns:
        An integer, float, boolean, (large) string, (large) binary or null array; None for a column of other values.

    Raises:
        pa.ArrowException: the array cannot be read as this type without loss.
    """
    array = _unwrapped(array)
    wanted = arrow_type(value_type)
    if pa.types.is_null(array.type):
        return array
    if value_type == "uuid":
        return uuid_texts(array)
    if wanted is None:
        return array if _is_plain(array.type) else None
    if value_type.startswith("list<"):
        return None
    if _family(array.type) != _family(wanted):
        raise pa.ArrowTypeError("the two have nothing in common")
    return _scalars(array, value_type, wanted)


def is_list_of_known(value_type: str) -> bool:
    """Say whether a column of this type holds lists of a type that is ours."""
    return value_type.startswith("list<") and arrow_type(value_type) is not None


def list_cells(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Take lists apart.

    Returns:
        All items, one list's after the other's; and the length of each list, NULL where it is NULL.

    Raises:
        pa.ArrowException: there are no lists in it.
    """
    array = _unwrapped(array)
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or _is_fixed_list(array.type)):
        raise pa.ArrowTypeError("expected lists")
    return array.flatten(), pc.list_value_length(array)


def object_cells(array: pa.Array, value_type: str) -> list[object]:
    """Turn a column of structs, maps or unknown values into plain Python values, None for NULL."""
    values = _unwrapped(array).to_pylist()
    if value_type.startswith("map<"):
        return [None if value is None else _plain(dict(value)) for value in values]
    return [_plain(value) for value in values]


def _microseconds(array: pa.Array) -> pa.Array:
    zone = array.type.tz if pa.types.is_timestamp(array.type) else None
    return array.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())


def _unwrapped(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if isinstance(array.type, pa.BaseExtensionType) and not _is_binary(array.type.storage_type):
        return array.storage
    return array


def _scalars(array: pa.Array, value_type: str, wanted: pa.DataType) -> pa.Array:
    if value_type in {"timestamp", "timestamptz"}:
        return _microseconds(array)
    if value_type == "date":
        return array.cast(pa.date32()).cast(pa.int32())
    if value_type == "time":
        return array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
        array = array.cast(pa.decimal256(76, wanted.scale))  # Arrow wants room for the greatest integer of the type
    same = {wanted, pa.large_string()} if pa.types.is_string(wanted) else {wanted}
    exact = array if array.type in same else array.cast(wanted)
    if pa.types.is_decimal(wanted):
        return exact.cast(pa.string())
    if pa.types.is_string(wanted):
        exact.validate(full=True)  # what is not UTF-8 would make the row unreadable
    return exact


def _is_fixed_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Say whether msgpack has the values of a type as they are."""
    types = pa.types
    is_text = (
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    )
    return bool(is_text or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind))


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
