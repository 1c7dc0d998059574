"""Snowflake's types in Arrow and back: numbers without a scale are integers, times count microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.errors import QueryError, UsageError

if TYPE_CHECKING:
    from featurestore.warehouse.snowflake.connector import ResultColumn

# What the connector calls types by number.
_NAMES = (
    "FIXED", "REAL", "TEXT", "DATE", "TIMESTAMP", "VARIANT", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "TIMESTAMP_NTZ",
    "OBJECT", "ARRAY", "BINARY", "TIME", "BOOLEAN",
)  # fmt: skip
_INT64_DIGITS = 18
_ANY_INTEGER_DIGITS = 38  # how Snowflake declares every INTEGER, whatever is in it
_ARROW: dict[str, pa.DataType] = {
    "REAL": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "TIMESTAMP_LTZ": pa.timestamp("us", tz="UTC"),
    "TIMESTAMP_TZ": pa.timestamp("us", tz="UTC"),
    "BINARY": pa.binary(),
    "TIME": pa.time64("us"),
    "BOOLEAN": pa.bool_(),
}
_COLUMN_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()), "BIGINT"),
    pa.uint64(): "NUMBER(20, 0)",
    pa.float32(): "DOUBLE",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.binary(): "BINARY",
    pa.large_binary(): "BINARY",
    pa.date32(): "DATE",
}


def canonical_type(name: str, precision: int | None, scale: int | None) -> str:
    """Our name of a type that the catalog describes so."""
    if name not in {"NUMBER", "FIXED"}:
        return parse_type(name, dialect="snowflake")
    if not scale and _is_integer(precision):
        return "int64"
    return f"decimal({precision},{scale})"


def result_type(column: ResultColumn) -> str:
    """Our name of a result column's type."""
    return canonical_type(_NAMES[column.type_code], column.precision, column.scale)


def arrow_type(column: ResultColumn) -> pa.DataType:
    """The Arrow type a result column is handed on as; half-structured values are JSON texts."""
    name = _NAMES[column.type_code]
    if name != "FIXED":
        return _ARROW.get(name, pa.string())
    if not column.scale and _is_integer(column.precision):
        return pa.int64()
    return pa.decimal128(column.precision or _ANY_INTEGER_DIGITS, column.scale or 0)


def as_typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give a part of a result its type: parts come in the narrowest that holds them, and times in nanoseconds.

    Raises:
        QueryError: an integer is beyond 64 bits.
    """
    arrays = []
    for column, field in zip(table.columns, schema, strict=True):
        try:
            arrays.append(column.cast(field.type, safe=not pa.types.is_temporal(field.type)))
        except pa.ArrowInvalid as error:
            raise QueryError(
                f"a value of the column '{field.name}' does not fit {field.type}", hint="cast it in the model or SELECT"
            ) from error
    return pa.Table.from_arrays(arrays, schema=schema)


def column_type(field: pa.Field) -> str:
    """Name the Snowflake type that holds an Arrow column of the examples.

    Raises:
        UsageError: it has none.
    """
    kind = field.type
    if kind in _COLUMN_TYPES:
        return _COLUMN_TYPES[kind]
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP_NTZ(9)" if kind.tz is None else "TIMESTAMP_TZ(9)"
    if pa.types.is_decimal(kind):
        return f"NUMBER({kind.precision}, {kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "ARRAY"
    raise UsageError(
        f"the column '{field.name}' of the examples is {kind}, which cannot be uploaded to Snowflake",
        hint="cast it, or leave it out",
    )


def _is_integer(digits: int | None) -> bool:
    return digits is None or digits <= _INT64_DIGITS or digits == _ANY_INTEGER_DIGITS
