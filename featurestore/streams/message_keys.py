"""Join keys in the key of a message, which is all that a tombstone has: a JSON object, or the value of the only key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from featurestore.streams.decode import shown
from featurestore.streams.event_columns import event_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column


def keys_of(keys: Sequence[bytes | None], columns: Sequence[Column]) -> tuple[pa.RecordBatch, dict[int, str]]:
    """Read join keys.

    Args:
        keys: of messages.
        columns: the join keys.

    Returns:
        One row per message, one column per join key; and by row, why a key says none.
    """
    refused: dict[int, str] = {}
    rows: list[dict[str, Any]] = []
    for row, key in enumerate(keys):
        found = _values(key, columns)
        if found is None:
            names = ", ".join(column.name for column in columns)
            refused[row] = f"a tombstone needs a message key with {names}, got {'none' if key is None else shown(key)}"
        rows.append(found or {})
    arrays = {}
    for column in columns:
        array, its = event_column([each.get(column.name) for each in rows], column)
        arrays[column.name] = array
        refused = {**its, **refused}
    return pa.RecordBatch.from_pydict(arrays), refused


def is_object(key: bytes) -> bool:
    """Whether a key is a JSON object, which names what it says."""
    try:
        return isinstance(msgspec.json.decode(key), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _values(key: bytes | None, columns: Sequence[Column]) -> dict[str, Any] | None:
    if key is None or not columns:
        return None
    try:
        said = msgspec.json.decode(key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = key.decode(errors="replace")
    if isinstance(said, dict):
        return said if all(said.get(column.name) is not None for column in columns) else None
    if len(columns) > 1 or said is None or isinstance(said, list):
        return None
    is_text = columns[0].type in {"string", "uuid"}
    return {columns[0].name: key.decode(errors="replace") if is_text and not isinstance(said, str) else said}
