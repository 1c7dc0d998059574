"""ClickHouse's names of types: they are built from one another, and its ``Int8`` has 8 bits, not 8 bytes.

Its times are always instants; a time zone in the type only says how they are shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SAME: dict[str, str] = {
    **dict.fromkeys(
        ("int8", "int16", "int32", "int64", "int128", "uint8", "uint16", "uint32", "uint64", "float32", "float64"), ""
    ),
    **dict.fromkeys(("string", "uuid", "json", "date"), ""),
    "bool": "boolean",
    "fixedstring": "string",
    "enum8": "string",
    "enum16": "string",
    "date32": "date",
    "datetime": "timestamptz",
    "datetime64": "timestamptz",
    "timestamp": "timestamptz",
    "time64": "time",
}
_WRAPPERS = ("nullable", "lowcardinality")
_NESTED = {"array": "list", "tuple": "struct", "map": "map"}
_CALL = re.compile(r"^(?P<name>\w+)\s*\((?P<inside>.*)\)$")


def parse_clickhouse_type(folded: str, otherwise: Callable[[str], str]) -> str:
    """Translate a lower-case ClickHouse type into our vocabulary; SQL's own names go to `otherwise`."""
    call = _CALL.match(folded)
    name, inside = (call["name"], call["inside"].strip()) if call is not None else (folded, "")
    if name in _WRAPPERS:
        return parse_clickhouse_type(inside, otherwise)
    if name == "array":
        return f"list<{parse_clickhouse_type(inside, otherwise)}>"
    if name in _NESTED:
        return f"{_NESTED[name]}<{inside}>"
    if name in _SAME:
        return _SAME[name] or name
    return otherwise(folded)
