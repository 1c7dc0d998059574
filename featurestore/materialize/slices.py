"""A large sync in slices, each a range of the first join key.

A slice needs little memory, however many keys there are, and a sync that is killed goes on behind the last slice that
it noted (`materialize.progress`). Every slice reads the model anew, so there are few of them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from featurestore.definitions.types import INTEGERS
from featurestore.sql.newest import KeyRange, key_bounds_query, key_estimate_query, newest_count_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.sql.newest import SyncWindow
    from featurestore.warehouse.protocol import Warehouse

FEW_CELLS = 800_000
"""Rows times columns: up to so many nothing more is asked about them, and they are copied in one slice."""
MOST_SLICES = 64
ROWS_PER_KEY_OF_A_SLICE = 100
"""A slice has at least a hundredth as many keys as the model has rows: else reading takes longer than writing."""
_SAFE_TEXT = re.compile(r"[\w.:@-]+", re.ASCII)
"""A text that is written alike in every SQL."""


def keys_in(view: FeatureView, window: SyncWindow, *, rows: int, most: int, warehouse: Warehouse) -> int | None:
    """Say about how many keys a window has; None where that is not worth a question.

    Args:
        view: the definition.
        window: which of its rows.
        rows: how many those are.
        most: how many keys a slice should have at most.
        warehouse: DuckDB estimates, to choose its query too; others count, where there may be too many for one slice.
    """
    if not view.join_keys:
        return None
    if warehouse.dialect == "duckdb":
        if rows * len(view.online_columns) <= FEW_CELLS:
            return None
        found = warehouse.read(key_estimate_query(view, window)).read_all()["keys"]
    elif rows <= most:
        return None
    else:
        found = warehouse.read(newest_count_query(view, window, dialect=warehouse.dialect)).read_all()["rows"]
    keys: int = found[0].as_py()
    return keys


def choose_bounds(
    view: FeatureView, window: SyncWindow, *, rows: int, keys: int, most: int, warehouse: Warehouse
) -> tuple[int | str, ...]:
    """Choose where slices end; no bounds where one slice will do, or the key's type has none that SQL writes alike.

    Args:
        view: the definition.
        window: which of its rows.
        rows: how many it has.
        keys: about how many keys they have.
        most: how many keys a slice should have at most.
        warehouse: asked for bounds that leave each slice about as many rows.
    """
    slices = min(MOST_SLICES, keys // max(most, rows // ROWS_PER_KEY_OF_A_SLICE) + 1)
    first = view.join_keys[0]
    texts = {"string", "uuid"} if warehouse.dialect == "duckdb" else {"string"}  # Postgres has no greatest UUID
    if slices < 2 or first.type not in INTEGERS | texts:
        return ()
    sql = key_bounds_query(view, window, slices, dialect=warehouse.dialect)
    found = warehouse.read(sql).read_all()["bound"].to_pylist()
    bounds = [bound if first.type in INTEGERS else str(bound) for bound in found[:-1]]
    return tuple(bound for bound in bounds if isinstance(bound, int) or _SAFE_TEXT.fullmatch(bound))


def ranges(bounds: Sequence[int | str]) -> list[KeyRange | None]:
    """The slices between bounds: up to the first, ..., beyond the last; None for everything."""
    if not bounds:
        return [None]
    return [KeyRange(after=after, upto=upto) for after, upto in pairwise([None, *bounds, None])]
