"""BigQuery's types in our words, and the ones that hold the columns of examples."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.errors import UsageError
from featurestore.warehouse.arrow_columns import plain

_LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
_DIGITS = 29  # of a NUMERIC before the point
_SCALE = 9


def type_of(field: Any) -> str:  # noqa: ANN401  the driver's class, which is loaded only where it is used
    """Our name of the type of a result's column."""
    name = _LEGACY.get(field.field_type, field.field_type)
    sized = f"{name}({field.precision},{field.scale or 0})" if name == "NUMERIC" and field.precision else name
    kind = parse_type(sized, dialect="bigquery")
    return f"list<{kind}>" if field.mode == "REPEATED" else kind


def as_bigquery_takes(table: pa.Table) -> pa.Table:
    """The same rows with times in microseconds and unsigned 64-bit integers as decimals."""
    table = plain(table)
    return table.cast(pa.schema([field.with_type(_taken(field.type)) for field in table.schema]), safe=False)


def field_type(field: pa.Field) -> str:
    """Name the type of the column that holds `field`.

    Raises:
        UsageError: there is none.
    """
    kind = field.type
    if pa.types.is_timestamp(kind):
        return "DATETIME" if kind.tz is None else "TIMESTAMP"
    if pa.types.is_decimal(kind):
        return "NUMERIC" if kind.scale <= _SCALE and kind.precision - kind.scale <= _DIGITS else "BIGNUMERIC"
    simple = (
        (pa.types.is_boolean, "BOOL"),
        (pa.types.is_integer, "INT64"),
        (pa.types.is_floating, "FLOAT64"),
        (pa.types.is_string, "STRING"),
        (pa.types.is_large_string, "STRING"),
        (pa.types.is_binary, "BYTES"),
        (pa.types.is_large_binary, "BYTES"),
        (pa.types.is_date, "DATE"),
    )
    found = next((name for is_one, name in simple if is_one(kind)), None)
    if found is None:
        raise UsageError(
            f"the column '{field.name}' of the examples is {kind}, which cannot be uploaded to BigQuery",
            hint="cast it, or leave it out",
        )
    return found


def _taken(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz)
    return pa.decimal128(20, 0) if kind == pa.uint64() else kind
