"""ClickHouse's enums, which Arrow gets as their numbers, as the texts they stand for (SEMANTICS P13)."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_ENUM = re.compile(r"^(?:Nullable\()?Enum(?:8|16)\(", re.DOTALL)
_VALUE = re.compile(r"'((?:[^'\\]|\\.)*)' = (-?\d+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0"}


def enum_texts(kind: str) -> dict[int, str]:
    """The text of each number of an enum, as ClickHouse writes the type; empty for any other type."""
    if _ENUM.match(kind) is None:
        return {}
    return {int(number): _ESCAPED.sub(_unescaped, text) for text, number in _VALUE.findall(kind)}


def as_texts(column: pa.Array, texts: dict[int, str]) -> pa.Array:
    """The texts of a column of an enum's numbers."""
    numbers = pa.array(list(texts), column.type)
    return pa.array(list(texts.values()), pa.string()).take(pc.index_in(column, value_set=numbers))


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])
