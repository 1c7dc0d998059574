"""Value types: one small vocabulary for what every warehouse calls by other names.

``boolean int8..int64 uint8..uint64 int128 float32 float64 decimal(p,s) string bytes date time timestamp
timestamptz interval uuid json list<T> struct<..> map<..>``; anything else is ``unknown:<text>``.
A `timestamp` is naive (read as UTC, SEMANTICS P14), a `timestamptz` is an instant; both count microseconds.
``timestamp_s``, ``timestamp_ms`` and ``timestamp_ns`` are naive times of another unit.
"""

from __future__ import annotations

import re
from functools import lru_cache

from featurestore.definitions.clickhouse_types import parse_clickhouse_type

_SAME: dict[str, str] = {
    **dict.fromkeys(("boolean", "bool", "logical"), "boolean"),
    **dict.fromkeys(("tinyint", "int1", "byteint"), "int8"),
    **dict.fromkeys(("smallint", "int2", "short"), "int16"),
    **dict.fromkeys(("integer", "int", "int4", "signed", "serial"), "int32"),
    **dict.fromkeys(("bigint", "int8", "long", "bigserial", "int64"), "int64"),
    **dict.fromkeys(("hugeint", "int128"), "int128"),
    "utinyint": "uint8",
    "usmallint": "uint16",
    "uinteger": "uint32",
    "ubigint": "uint64",
    **dict.fromkeys(("real", "float4", "float32"), "float32"),
    **dict.fromkeys(("float", "double", "double precision", "float8", "float64"), "float64"),
    **dict.fromkeys(("text", "string", "varchar", "character varying", "char", "character", "bpchar"), "string"),
    **dict.fromkeys(("blob", "bytea", "bytes", "binary", "varbinary"), "bytes"),
    "date": "date",
    **dict.fromkeys(("time", "time without time zone"), "time"),
    **dict.fromkeys(
        (
            "timestamp", "timestamp without time zone", "datetime", "timestamp_ntz", "timestampntz", "timestamp_us",
        ),
        "timestamp",
    ),
    "timestamp_s": "timestamp_s",
    "timestamp_ms": "timestamp_ms",
    "timestamp_ns": "timestamp_ns",
    **dict.fromkeys(("timestamptz", "timestamp with time zone", "timestamp_tz", "timestamp_ltz"), "timestamptz"),
    "interval": "interval",
    "uuid": "uuid",
    **dict.fromkeys(("json", "jsonb", "variant"), "json"),
}  # fmt: skip
_FLOAT_IS_32_BIT = frozenset(("databricks", "duckdb", "spark"))
_TIMESTAMP_IS_AN_INSTANT = frozenset(("bigquery", "databricks", "spark"))
_ARRAY = re.compile(r"^(?:array|list)[<(](.*)[>)]$")
_BARE_DECIMAL: dict[str, tuple[str, str]] = {
    "bigquery": ("38", "9"),
    "databricks": ("10", "0"),
    "redshift": ("18", "0"),
    "snowflake": ("38", "0"),
    "spark": ("10", "0"),
    "trino": ("38", "0"),
}
_SIZED = re.compile(r"^(?P<name>[a-z_ ]+?)\s*\(\s*(?P<args>[\d,\s]*)\s*\)(?P<rest>.*)$")
_ZONED = re.compile(r"^(timestamp|time)\s*(\(\s*\d+\s*\))?\s*(with(?:out)? time zone)?$")

FAMILIES: dict[str, str] = {
    **dict.fromkeys(
        ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int128", "float32", "float64"),
        "number",
    ),
    **dict.fromkeys(("string", "uuid"), "string"),
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamptz", "date"), "time"),
    "boolean": "boolean",
    "bytes": "bytes",
}
INTEGERS = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int128"))
FLOATS = frozenset(("float32", "float64"))
TIMES = frozenset(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamptz", "date"))
_SCALARS = frozenset(FAMILIES) | {"time", "interval", "json"}
_DECIMAL = re.compile(r"decimal\(\d+,\d+\)", re.ASCII)
UNORDERED_PREFIXES = ("list<", "struct<", "map<", "json", "unknown:", "interval", "bytes")


@lru_cache(maxsize=4096)
def parse_type(text: str, *, dialect: str = "duckdb") -> str:
    """Translate a warehouse's type name, as a catalog, contract or DESCRIBE spells it, into our vocabulary.

    Args:
        text: e.g. ``DECIMAL(18,3)``, ``character varying(20)``, ``INTEGER[]``.
        dialect: sqlglot's name of the warehouse: a FLOAT has 32 bits in DuckDB, Databricks and Spark, elsewhere
            64; a TIMESTAMP is an instant in BigQuery, Databricks and Spark, and naive elsewhere; a bare DECIMAL has a
            size of its own in each.

    Returns:
        The canonical name, ``unknown:<text>`` where we have none.
    """
    folded = " ".join(text.strip().lower().split())
    if dialect == "clickhouse":
        return parse_clickhouse_type(folded, lambda name: _parse_scalar(name, dialect))
    if folded == "timestamp" and dialect in _TIMESTAMP_IS_AN_INSTANT:
        return "timestamptz"
    return _parse_nested(folded, dialect) or _parse_scalar(folded, dialect)


def _parse_nested(folded: str, dialect: str) -> str | None:
    """A type that is made of others; None for any other."""
    if folded.endswith("]"):
        return f"list<{parse_type(folded[: folded.rindex('[')], dialect=dialect)}>"
    if folded.startswith("enum"):
        return "string"
    if folded.startswith(("struct", "map")):
        name = "map" if folded.startswith("map") else "struct"
        return f"{name}<{folded[len(name) :].strip('()<> ')}>"
    array = _ARRAY.match(folded)
    return None if array is None else f"list<{parse_type(array[1], dialect=dialect)}>"


def _parse_scalar(folded: str, dialect: str) -> str:
    zoned = _ZONED.match(folded)
    if zoned is not None:
        suffix = "tz" if zoned[3] == "with time zone" else ""
        return f"{zoned[1]}{suffix}" if zoned[1] == "timestamp" else "time"
    if folded == "float" and dialect in _FLOAT_IS_32_BIT:
        return "float32"
    sized = _SIZED.match(folded)
    name = sized["name"] if sized is not None else folded
    if name in {"decimal", "numeric", "number", "dec"}:
        digits = re.findall(r"\d+", sized["args"]) if sized is not None else []
        precision, scale = (*digits, "0")[:2] if digits else _BARE_DECIMAL.get(dialect, ("18", "3"))
        return f"decimal({precision},{scale})"
    return _SAME.get(name, f"unknown:{folded}")


def family_of(value_type: str) -> str:
    """Return what a type may be compared with: ``number string time boolean bytes``, else the type itself."""
    return "number" if value_type.startswith("decimal(") else FAMILIES.get(value_type, value_type)


def is_orderable(value_type: str) -> bool:
    """Say whether a value of this type can break a tie (SEMANTICS P4)."""
    return not value_type.startswith(UNORDERED_PREFIXES)


def is_known(value_type: str) -> bool:
    """Say whether the type is one of ours."""
    return not value_type.startswith("unknown:")


def is_servable(value_type: str) -> bool:
    """Say whether an online row can hold values of this type."""
    inner = _innermost(value_type)
    return inner != "interval" and not inner.startswith("unknown:")


def is_type(text: str) -> bool:
    """Say whether a text is a type of this vocabulary, as `parse_type` returns it."""
    inner = _innermost(text)
    return (
        inner in _SCALARS
        or _DECIMAL.fullmatch(inner) is not None
        or (inner.startswith(("struct<", "map<")) and inner.endswith(">"))
        or inner.startswith("unknown:")
    )


def _innermost(value_type: str) -> str:
    """What a list of lists holds in the end; empty where the brackets do not match."""
    depth, word = 0, "list<"
    while value_type.startswith(word, depth * len(word)):
        depth += 1
    end = len(value_type) - depth
    return value_type[depth * len(word) : end] if value_type[end:] == ">" * depth else ""
