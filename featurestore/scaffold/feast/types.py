"""Feast's value types in the spelling of a warehouse."""

from __future__ import annotations

from sqlglot import exp

from featurestore.definitions.types import parse_type

_TYPES: dict[str, str] = {
    "STRING": "text",
    **dict.fromkeys(("BYTES", "PDF_BYTES", "IMAGE_BYTES"), "varbinary"),
    "INT32": "int",
    "INT64": "bigint",
    "DOUBLE": "double",
    "FLOAT": "float",
    "BOOL": "boolean",
    "UNIX_TIMESTAMP": "timestamp",
}
"""Those that every warehouse has a type for, in sqlglot's words. What Feast keeps in its MAP, STRUCT, JSON, UUID,
DECIMAL and sets depends on the store, so the warehouse itself is asked for the type of such a column."""
_LIST = "_LIST"
_OWN: dict[tuple[str, str], str] = {
    ("bigquery", "timestamp"): "timestamp",
    ("clickhouse", "timestamp"): "DateTime64(6)",
    ("redshift", "text"): "varchar",
    ("spark", "timestamp"): "timestamp",
    ("databricks", "timestamp"): "timestamp",
}
"""Where sqlglot says it otherwise than the warehouse's catalog."""
_WITHOUT_TYPED_LISTS = frozenset(("redshift", "snowflake"))


def data_type(value_type: str, dialect: str) -> str | None:
    """Write a type of Feast as the warehouse spells it.

    Args:
        value_type: the name of a ``ValueType``, e.g. ``INT64`` or ``FLOAT_LIST``.
        dialect: sqlglot's name of the warehouse.

    Returns:
        E.g. ``bigint``; None where the warehouse has to say it.
    """
    is_list = value_type.endswith(_LIST)
    word = _TYPES.get(value_type.removesuffix(_LIST))
    if word is None or (is_list and dialect in _WITHOUT_TYPED_LISTS):
        return None
    if is_list:
        return _known(_spelled(exp.DataType.build(f"array<{word}>"), dialect), dialect)
    return _known(_OWN.get((dialect, word)) or _spelled(exp.DataType.build(word), dialect), dialect)


def _known(text: str, dialect: str) -> str | None:
    """The type, unless we could not read it back."""
    return None if parse_type(text, dialect=dialect).startswith("unknown:") else text


def _spelled(kind: exp.DataType, dialect: str) -> str:
    text = kind.sql(dialect=dialect)
    return text if dialect == "clickhouse" else text.lower()
