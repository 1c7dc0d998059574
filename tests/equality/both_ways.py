"""Read what dbt built and what the Python package answers over the same connection settings, as rows that compare."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from featurestore.store import FeatureStore


def built_by_dbt(store: FeatureStore, model: str) -> pa.Table:
    """The rows of a built model."""
    with closing(store.workspace.open_warehouse()) as warehouse:
        return warehouse.read(f'select * from "{model}"').read_all()


def differences(macro: pa.Table, python: pa.Table) -> dict[str, Any]:
    """What only one side has; empty when names, types and rows are equal, whatever the order of rows (P1)."""
    names_and_types = {
        "columns of the macro": [str(field) for field in macro.schema],
        "columns of Python": [str(field) for field in python.schema],
    }
    if len(set(map(tuple, names_and_types.values()))) > 1:
        return names_and_types
    of_macro, of_python = Counter(rows(macro)), Counter(rows(python))
    found = {
        "rows of the macro alone": sorted((of_macro - of_python).elements()),
        "rows of Python alone": sorted((of_python - of_macro).elements()),
    }
    return {side: alone for side, alone in found.items() if alone}


def rows(table: pa.Table) -> list[str]:
    """Rows as text, in which NaN equals NaN; times as whole numbers of their unit, so that nothing is rounded."""
    columns = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in table.itercolumns()
    ]
    return [repr(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
