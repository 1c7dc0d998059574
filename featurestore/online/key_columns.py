"""Keys of whole columns: what `keys.entity_key` makes of one entity, for all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.types import INTEGERS
from featurestore.online.cells import object_cells, refused_unless_declared, scalar_cells
from featurestore.online.codec import instant
from featurestore.online.keys import ESCAPES, key_text
from featurestore.online.pieces import Block, join, lines, slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column
    from featurestore.online.pieces import Piece

_TEXT_IS_ARROWS = INTEGERS | {"boolean", "string", "uuid"}
"""Types whose key text is the text that Arrow has for the cell."""


def entity_keys(prefix: bytes, rows: int, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> pa.Array:
    """Build the keys of entities.

    Args:
        prefix: from `key_prefix`.
        rows: how many there are.
        arrays: the join keys, without NULLs, as the warehouse gave them.
        columns: as the view declares them.

    Returns:
        One large_binary per row.

    Raises:
        UsageError: a column is not of its declared type.
    """
    pieces: list[Piece] = []
    for array, column in zip(arrays, columns, strict=True):
        if pieces:
            pieces.append(Block(cells=lines(b"|", rows)))
        pieces.append(slices_of(_escaped(_key_texts(array, column))))
    pieces.append(Block(cells=lines(b"}", rows)))
    return join(lines(prefix, rows), pieces)


def _key_texts(array: pa.Array, column: Column) -> pa.Array:
    with refused_unless_declared(array, column):
        cells = scalar_cells(array, column.type)
    if cells is None:
        values = object_cells(array, column.type)
    elif column.type in _TEXT_IS_ARROWS:
        return cells.cast(pa.large_string())
    else:
        values = _values(cells, column.type)
    return pa.array([key_text(value, column) for value in values], pa.large_string())


def _values(cells: pa.Array, value_type: str) -> list[object]:
    """What Python calls the values of these cells."""
    if value_type in {"timestamp", "timestamptz"}:
        return [instant(us) for us in cells.to_pylist()]
    if value_type in {"date", "time"}:
        cells = cells.cast(pa.date32() if value_type == "date" else pa.time64("us"))
    return list(cells.to_pylist())


def _escaped(texts: pa.Array) -> pa.Array:
    found = slices_of(texts)
    written = found.data[found.starts[0] : found.starts[-1] + found.widths[-1]].tobytes() if len(texts) else b""
    for character, escape in ESCAPES.items():
        if character.encode() in written:
            texts = pc.replace_substring(texts, character, escape)
    return texts
