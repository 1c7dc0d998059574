"""The Arrow type of each of our value types, for warehouses whose drivers hand on plain Python values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAME: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")


def arrow_type(value_type: str) -> pa.DataType:
    """The Arrow type of one of our types; what has no type of its own there is text."""
    sized = _DECIMAL.match(value_type)
    if sized is not None:
        return pa.decimal128(int(sized[1]), int(sized[2]))
    if value_type.startswith("list<"):
        return pa.list_(arrow_type(value_type[5:-1]))
    return _SAME.get(value_type, pa.string())


def record_batch(rows: Sequence[Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    """Make a batch of rows as a driver hands them on.

    Raises:
        QueryError: a value does not fit its column's type.
    """
    columns = []
    for field, values in zip(schema, zip(*rows, strict=True), strict=True):
        given = [_as_text(value) for value in values] if pa.types.is_string(field.type) else list(values)
        try:
            columns.append(pa.array(given, field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise QueryError(
                f"a value of the column '{field.name}' does not fit {field.type}", hint="cast it in the model or SELECT"
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _as_text(value: object) -> object:
    """A half-structured value as JSON, any other as Python writes it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)
