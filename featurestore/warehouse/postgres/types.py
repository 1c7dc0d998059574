"""Postgres' types and Arrow's: what a column is called, how its values come out exact, how a frame's column goes in.

The driver gives a NUMERIC as text, a UUID and JSON as extension types, an infinite time as a number that has run over,
and flattens an array of arrays. So a SELECT is read through another that casts what needs it, and the rest is put right
in Arrow, batch by batch (SEMANTICS P13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# NUMERIC without digits, which every sum and average is, has no end; Arrow's decimals have one.
ENDLESS_NUMERIC = pa.decimal128(38, 20)
_MOST_DIGITS = 76
_NAME, _MODIFIER = b"POSTGRESQL:type", b"POSTGRESQL:typmod"
_AS_THEY_ARE = frozenset(
    ("bool", "int2", "int4", "int8", "float4", "float8", "bytea", "date", "time", "timestamp", "timestamptz",
     "interval", "json", "jsonb")
)  # fmt: skip
_TEXTS = frozenset(("citext",))
_CASTS = {"oid": "bigint", "money": f"numeric({ENDLESS_NUMERIC.precision},{ENDLESS_NUMERIC.scale})"}
_SAME_CATEGORY_AS_TEXT = frozenset(("S", "E"))  # strings, enums
_DAYS_TO_2000, _US_TO_2000 = 10_957, 946_684_800_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column of a SELECT: our name of its type, what SQL casts it to first, and the Arrow type it ends as."""

    name: str
    type: str
    cast: str | None
    arrow: pa.DataType
    is_list: bool


def field_of(field: pa.Field) -> Field:
    """What becomes of a column that the driver describes so. Raises UsageError if the driver is too old."""
    metadata = field.metadata or {}
    is_list = pa.types.is_list(field.type)
    element = field.type.value_field if is_list else field
    name = _type_name(element)
    digits = _digits(int(metadata.get(_MODIFIER, b"-1"))) if name == "numeric" else None
    value_type, cast, arrow = _scalar(name, element.type, digits)
    return Field(
        name=field.name,
        type=f"list<{value_type}>" if is_list else value_type,
        cast=f"{cast}[]" if cast and is_list else cast,
        arrow=pa.list_(arrow) if is_list else arrow,
        is_list=is_list,
    )


def _type_name(field: pa.Field) -> str:
    """Postgres' name of a type, which drivers before 1.13 did not tell, nor a NUMERIC's digits."""
    name = (field.metadata or {}).get(_NAME)
    if name is None:
        raise UsageError(
            "this driver of Postgres does not tell types", hint="pip install 'adbc-driver-postgresql>=1.13'"
        )
    return bytes(name).decode()


def _scalar(name: str, given: pa.DataType, digits: tuple[int, int] | None) -> tuple[str, str | None, pa.DataType]:
    if name == "numeric":
        precision, scale = digits or (ENDLESS_NUMERIC.precision, ENDLESS_NUMERIC.scale)
        exact = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
        return f"decimal({precision},{scale})", None if digits else f"numeric({precision},{scale})", exact
    value_type = parse_type(name, dialect="postgres")
    if name in _AS_THEY_ARE:
        return value_type, None, pa.string() if name in {"json", "jsonb"} else given
    if pa.types.is_string(given) or name in _TEXTS:
        return "string", None if pa.types.is_string(given) else "text", pa.string()
    cast = _CASTS.get(name, "text")
    return value_type, cast, {"bigint": pa.int64(), "text": pa.string()}.get(cast, ENDLESS_NUMERIC)


def _digits(modifier: int) -> tuple[int, int] | None:
    """Precision and scale of a NUMERIC; None where it has none, or such as Arrow has not."""
    if modifier < 4:
        return None
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, ((modifier - 4 & 0x7FF) ^ 1024) - 1024
    return (precision, scale) if 0 <= scale <= precision <= _MOST_DIGITS else None


def declared_column(name: str, declared: str, category: str, element: str) -> Column:
    """A column of a table, from the catalog.

    Args:
        name: its own.
        declared: as ``format_type`` writes its type, domains already resolved.
        category: Postgres' ``typcategory``.
        element: the same of an array's elements, empty for what is no array.
    """
    if category in _SAME_CATEGORY_AS_TEXT:
        declared = "text"
    elif element and element in _SAME_CATEGORY_AS_TEXT:
        declared = "text[]"
    bare = declared.removesuffix("[]")
    if bare == "numeric":
        endless = f"numeric({ENDLESS_NUMERIC.precision},{ENDLESS_NUMERIC.scale})"
        declared = endless + declared.removeprefix(bare)
    return Column(name=name, type=parse_type(declared, dialect="postgres"))


def exact_select(sql: str, fields: Sequence[Field]) -> str:
    """The SELECT, its columns cast where the driver would not give them exactly; itself where none is to be."""
    if not any(field.cast or field.is_list for field in fields):
        return sql
    names = [f'"__{number}"' for number in range(len(fields))]
    columns = [_exact(name, field) for name, field in zip(names, fields, strict=True)]
    return f'SELECT {", ".join(columns)} FROM (\n{sql}\n) AS "__rows"({", ".join(names)})'


def _exact(name: str, field: Field) -> str:
    value = f"CAST({name} AS {field.cast})" if field.cast else name
    if not field.is_list:
        return value
    # The driver would give the elements of inner arrays one after the other. Postgres refuses this cast by its text.
    nested = f"CAST(concat('an array of arrays, of dimensions ', array_dims({name})) AS integer[])"
    of_type = f"CAST(CAST({nested} AS text[]) AS {field.cast})" if field.cast else None
    refused = of_type or f"CASE WHEN {nested} IS NULL THEN {name} END"
    return f"CASE WHEN array_ndims({name}) > 1 THEN {refused} ELSE {value} END"


def exact_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows in the types of `schema`.

    Raises:
        pa.ArrowInvalid: a number is NaN or infinite and was to be a decimal.
    """
    arrays = [_exact_array(array, field.type) for array, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _exact_array(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_list(wanted):
        values = _exact_array(array.values, wanted.value_type)
        return pa.ListArray.from_arrays(array.offsets, values, type=wanted, mask=array.is_null())
    if pa.types.is_date32(wanted):
        return _infinite(array, pa.int32(), _DAYS_TO_2000)
    if pa.types.is_timestamp(wanted):
        return _infinite(array, pa.int64(), _US_TO_2000)
    return array.cast(wanted)


def _infinite(array: pa.Array, counted: pa.DataType, to_2000: int) -> pa.Array:
    """``infinity`` is the greatest number there is, which the driver's step from 2000 to 1970 carries beyond."""
    span = 2**counted.bit_width
    greatest = span // 2 - 1
    numbers = array.view(counted)
    for meant, wrapped in ((greatest, greatest + to_2000 - span), (-greatest, -greatest - 1 + to_2000)):
        is_infinite = pc.equal(numbers, pa.scalar(wrapped, counted))
        if is_infinite.true_count:
            numbers = pc.if_else(is_infinite, pa.scalar(meant, counted), numbers)
    return numbers.view(array.type)


def uploadable(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """A frame in types that Postgres has, and the names of these types.

    Raises:
        UsageError: a column holds what Postgres has no column for, e.g. structs.
    """
    arrays, declared = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        stored, name = _stored(field.type, field.name)
        is_finer = pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        arrays.append((pc.floor_temporal(column, unit="microsecond") if is_finer else column).cast(stored))
        declared.append(name)
    return pa.table(arrays, names=table.column_names), tuple(declared)


def _stored(given: pa.DataType, column: str) -> tuple[pa.DataType, str]:
    """The Arrow type to send and the Postgres type to store."""
    if pa.types.is_dictionary(given):
        return _stored(given.value_type, column)
    if pa.types.is_list(given) or pa.types.is_large_list(given):
        element, name = _stored(given.value_type, column)
        if not name.endswith("[]"):
            return pa.list_(element), f"{name}[]"
    if pa.types.is_decimal(given) and 0 <= given.scale <= given.precision:
        return given, f"numeric({given.precision},{given.scale})"
    if pa.types.is_timestamp(given):
        return pa.timestamp("us", given.tz), "timestamptz" if given.tz else "timestamp"
    found = _stored_types(given).get(str(given))
    if found is None:
        raise UsageError(
            f"column '{column}' of the examples is {given}, which Postgres cannot hold",
            hint="leave the column out, or give it as text",
        )
    return found


def _stored_types(given: pa.DataType) -> dict[str, tuple[pa.DataType, str]]:
    text, binary, days = (pa.string(), "text"), (pa.binary(), "bytea"), (pa.date32(), "date")
    return {
        "bool": (pa.bool_(), "boolean"),
        "int8": (pa.int16(), "smallint"),
        "uint8": (pa.int16(), "smallint"),
        "int16": (pa.int16(), "smallint"),
        "uint16": (pa.int32(), "integer"),
        "int32": (pa.int32(), "integer"),
        "uint32": (pa.int64(), "bigint"),
        "int64": (pa.int64(), "bigint"),
        "uint64": (pa.decimal128(20, 0), "numeric(20,0)"),
        "halffloat": (pa.float32(), "real"),
        "float": (pa.float32(), "real"),
        "double": (pa.float64(), "double precision"),
        **dict.fromkeys(("string", "large_string", "string_view", "null"), text),
        **dict.fromkeys(("binary", "large_binary", "binary_view"), binary),
        **dict.fromkeys(("date32[day]", "date64[ms]"), days),
        **dict.fromkeys((f"duration[{unit}]" for unit in ("s", "ms", "us")), (pa.duration("us"), "interval")),
        **dict.fromkeys(("time32[s]", "time32[ms]", "time64[us]", "time64[ns]"), (pa.time64("us"), "time")),
        "month_day_nano_interval": (pa.month_day_nano_interval(), "interval"),
        "extension<arrow.uuid>": (given, "uuid"),
        "extension<arrow.json>": (pa.string(), "json"),
    }
