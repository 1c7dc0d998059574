"""Spark's types, Arrow's and ours: one table, read in every direction.

Spark's TIMESTAMP is an instant (our ``timestamptz``), its TIMESTAMP_NTZ a naive time; both count microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import parse_type
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import types as spark

DIALECT = "spark"

_SCALARS: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "void": pa.null(),
}
_NAMES = {arrow: name for name, arrow in _SCALARS.items()}
_WIDER: dict[pa.DataType, pa.DataType] = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
}


def our_type(data_type: spark.DataType) -> str:
    """Our name of a Spark type."""
    return parse_type(data_type.simpleString(), dialect=DIALECT)


def arrow_schema(fields: spark.StructType) -> pa.Schema:
    """The Arrow schema of a result.

    Raises:
        UsageError: a column's type has no counterpart in Arrow, e.g. VARIANT.
    """
    return pa.schema([pa.field(field.name, _arrow_type(field.dataType, field.name)) for field in fields])


def _arrow_type(data_type: spark.DataType, column: str) -> pa.DataType:
    from pyspark.sql import types as spark

    if isinstance(data_type, spark.ArrayType):
        return pa.list_(pa.field("element", _arrow_type(data_type.elementType, column)))
    if isinstance(data_type, spark.MapType):
        return pa.map_(_arrow_type(data_type.keyType, column), _arrow_type(data_type.valueType, column))
    if isinstance(data_type, spark.StructType):
        return pa.struct([pa.field(field.name, _arrow_type(field.dataType, column)) for field in data_type])
    return _scalar(data_type, column)


def _scalar(data_type: spark.DataType, column: str) -> pa.DataType:
    from pyspark.sql import types as spark

    if isinstance(data_type, spark.DecimalType):
        return pa.decimal128(data_type.precision, data_type.scale)
    if isinstance(data_type, spark.DayTimeIntervalType):
        return pa.duration("us")
    if isinstance(data_type, (spark.CharType, spark.VarcharType)):
        return pa.string()
    name = data_type.simpleString().partition(" ")[0]  # a string's collation stands behind its name
    if name not in _SCALARS:
        raise UsageError(
            f"column '{column}' is {data_type.simpleString()}, which Arrow does not have",
            hint="cast it where the spine or the view is made, or leave it out",
        )
    return _SCALARS[name]


def for_spark(table: pa.Table) -> pa.Table:
    """A frame with types that Spark has: unsigned integers wider, times in whole microseconds, no dictionaries."""
    columns = [_for_spark(table.column(name)) for name in table.column_names]
    return pa.table(columns, names=table.column_names)


def _for_spark(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        if column.type.unit == "ns":
            column = pc.floor_temporal(column, unit="microsecond")
        return column.cast(pa.timestamp("us", tz="UTC" if column.type.tz else None))
    return column.cast(_plain(column.type))


def _plain(arrow: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
        return pa.string()
    if pa.types.is_large_binary(arrow) or pa.types.is_fixed_size_binary(arrow) or pa.types.is_binary_view(arrow):
        return pa.binary()
    if pa.types.is_timestamp(arrow):
        return pa.timestamp("us", tz="UTC" if arrow.tz else None)
    if pa.types.is_large_list(arrow) or pa.types.is_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return pa.list_(_plain(arrow.value_type))
    if pa.types.is_struct(arrow):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in arrow])
    return _WIDER.get(arrow, arrow)


def ddl(schema: pa.Schema) -> str:
    """A frame's columns as Spark declares them; said in full, since a naive time could be read in either way.

    Raises:
        UsageError: a column's type has no counterpart in Spark, e.g. a time of day.
    """
    return ", ".join(f"{quoted(field.name)} {_spark_name(field.type, field.name)}" for field in schema)


def _spark_name(arrow: pa.DataType, column: str) -> str:
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if pa.types.is_list(arrow):
        return f"array<{_spark_name(arrow.value_type, column)}>"
    if pa.types.is_map(arrow):
        return f"map<{_spark_name(arrow.key_type, column)},{_spark_name(arrow.item_type, column)}>"
    if pa.types.is_struct(arrow):
        return f"struct<{','.join(f'{quoted(field.name)}:{_spark_name(field.type, column)}' for field in arrow)}>"
    if pa.types.is_duration(arrow):
        return "interval day to second"
    if arrow not in _NAMES:
        raise UsageError(
            f"column '{column}' of the examples is {arrow}, which Spark does not have", hint="cast it, or leave it out"
        )
    return _NAMES[arrow]


def quoted(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"
