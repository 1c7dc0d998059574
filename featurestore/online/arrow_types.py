"""Our value types as Arrow types, for the two places where online rows meet Arrow: encoding and results."""

from __future__ import annotations

import re

import pyarrow as pa

_DECIMAL = re.compile(r"decimal\((\d+),(-?\d+)\)")
_SCALARS: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "int128": pa.decimal128(38, 0),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "json": pa.string(),
    "uuid": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}


def arrow_type(value_type: str) -> pa.DataType | None:
    """Return the Arrow type that a warehouse gives for one of our types (`definitions.types`).

    Returns:
        The type; None where only the data can say: structs, maps, unknown types.
    """
    known = _SCALARS.get(value_type)
    if known is not None:
        return known
    decimal = _DECIMAL.fullmatch(value_type)
    if decimal is not None:
        digits, scale = int(decimal[1]), int(decimal[2])
        return pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
    if value_type.startswith("list<"):
        inner = arrow_type(value_type[len("list<") : -1])
        return None if inner is None else pa.list_(inner)
    return None
