"""Whether the values of an Arrow column are of a declared type, all at once; the rows that are not, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.cells import refused_unless_declared
from featurestore.online.columns import column_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.views import Column


def declared_or_problems(array: pa.Array, column: Column) -> tuple[pa.Array | None, dict[int, str]]:
    """Find values that a row of the view cannot hold.

    Args:
        array: as an event or its SQL gave it.
        column: as the view declares it.

    Returns:
        The array in the declared type, where Arrow has that, None where it is as it was; and by row, what is wrong.
    """
    wanted = arrow_type(column.type)
    if wanted is not None and array.type == wanted:
        return None, {}
    try:
        column_pieces(array, column)
        if wanted is None:
            return None, {}
        with refused_unless_declared(array, column):
            return array.cast(wanted), {}
    except UsageError:
        return None, dict(_problems(array, column, 0))


def _problems(array: pa.Array, column: Column, start: int) -> Iterator[tuple[int, str]]:
    """Halve until single values are left."""
    try:
        column_pieces(array, column)
    except UsageError as error:
        if len(array) > 1:
            half = len(array) // 2
            yield from _problems(array.slice(0, half), column, start)
            yield from _problems(array.slice(half), column, start + half)
            return
        value = str(array[0].as_py()) if len(array) else ""
        reason = error.what.partition(": ")[2]
        yield start, f"column '{column.name}': expected {column.type}, got {value[:40]} ({reason})"
