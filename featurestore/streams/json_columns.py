"""JSON values as Arrow columns of the types that a view declares; nothing is rounded, cut or guessed.

The rule: what `online.json_values` writes is read back equal, and a value of another kind is refused with its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.json_values import reader_of
from featurestore.streams.event_columns import quick_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column

_REFUSED = (ValueError, TypeError, ArithmeticError, pa.ArrowException)
_SHOWN = 40


def json_column(values: Sequence[Any], column: Column) -> pa.Array:
    """Read JSON values as a column.

    Args:
        values: as `msgspec.json` decodes them; None is NULL.
        column: its name, for errors, and its type.

    Returns:
        An array of the type's Arrow type; of structs and maps, of the type that Arrow finds.

    Raises:
        UsageError: names the column, the row, the type and what was got.
    """
    quick = quick_column(values, column.type)
    if quick is not None:
        return quick
    kind, read = arrow_type(column.type), reader_of(column.type)
    try:
        return pa.array([None if value is None else read(value) for value in values], kind)
    except _REFUSED:
        return pa.array([_checked(value, column, row) for row, value in enumerate(values)], kind)


def _checked(value: Any, column: Column, row: int) -> Any:  # noqa: ANN401
    """Read one value, on the way to the one that is refused."""
    try:
        found = None if value is None else reader_of(column.type)(value)
        pa.array([found], arrow_type(column.type))
    except _REFUSED:
        shown = msgspec.json.encode(value).decode()
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        raise UsageError(
            f"expected {column.type}, got {shown}", where=f"column '{column.name}', row {row}", hint=_hint(column.type)
        ) from None
    return found


def _hint(value_type: str) -> str | None:
    if value_type.startswith("timestamp") or value_type == "date":
        return 'write it as ISO 8601, e.g. "2026-01-31T12:30:00Z"'
    return "write it in base64" if value_type == "bytes" else None
