"""Which ClickHouse type holds an Arrow column; a time becomes an instant in UTC, of its own precision."""

from __future__ import annotations

import pyarrow as pa

from featurestore.errors import UsageError

_SAME: dict[pa.DataType, str] = {
    pa.bool_(): "Bool",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "String",
    pa.large_string(): "String",
    pa.binary(): "String",
    pa.large_binary(): "String",
    pa.date32(): "Date32",
}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def clickhouse_type(field: pa.Field) -> str:
    """Name the type of the column that holds `field`; nullable, but for lists, which ClickHouse cannot leave empty.

    Raises:
        UsageError: ClickHouse has no such type.
    """
    if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
        return f"Array({clickhouse_type(field.type.value_field)})"
    return f"Nullable({_scalar(field)})"


def _scalar(field: pa.Field) -> str:
    if field.type in _SAME:
        return _SAME[field.type]
    if pa.types.is_timestamp(field.type):
        return f"DateTime64({_DIGITS[field.type.unit]}, 'UTC')"
    if pa.types.is_decimal(field.type):
        return f"Decimal({field.type.precision}, {field.type.scale})"
    raise UsageError(
        f"the column '{field.name}' of the examples is {field.type}, which cannot be uploaded to ClickHouse",
        hint="cast it, or leave it out",
    )
