"""A large sync in slices, each a range of the first join key.

A slice needs little memory, however many keys there are, and a sync that is killed goes on behind the last slice that
it noted (`materialize.progress`). Every slice reads the model anew, so there are few of them.
"""

from __future__ import annotations

import re
from decimal import Decimal
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
_SAFE_TEXT = re.compile(r"""[^\x00-\x1f\x7f-\U0010ffff'"`\\]+""")
"""A text that is written alike in every SQL: printable ASCII without quotes and backslashes."""


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
    sql = key_bounds_query(view, window, slices, keys=keys, dialect=warehouse.dialect)
    found = warehouse.read(sql).read_all()["bound"].to_pylist()
    bounds: list[int | str] = []
    for bound in map(_as_integer if first.type in INTEGERS else _as_text, found[:-1]):
        # An enum of DuckDB is ordered in its own way and compared as a text.
        if bound is not None and (not bounds or bound > bounds[-1]):  # type: ignore[operator]  # all of one type
            bounds.append(bound)
    return tuple(bounds)


def _as_integer(bound: object) -> int | None:
    """A bound of an integer key: some drivers give a decimal or a float, and ClickHouse bytes, which are left out."""
    return int(bound) if isinstance(bound, (int, float, Decimal)) else None


def _as_text(bound: object) -> str | None:
    text = str(bound)
    return text if _SAFE_TEXT.fullmatch(text) else None


def ranges(bounds: Sequence[int | str]) -> list[KeyRange | None]:
    """The slices between bounds: up to the first, ..., beyond the last; None for everything."""
    if not bounds:
        return [None]
    return [KeyRange(after=after, upto=upto) for after, upto in pairwise([None, *bounds, None])]
