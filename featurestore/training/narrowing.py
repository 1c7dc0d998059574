"""Examples narrowed before the join: labels guarded, a part taken.

What is in the warehouse is narrowed by its SQL. A frame is narrowed here, by the same SQL in a DuckDB in memory over
its keys and times, so that the same examples are chosen, and its rows stay the user's own.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.errors import SpineError
from featurestore.sql.labels import label_counts, labelled
from featurestore.sql.part import part_of
from featurestore.training.examples import UPLOADED, numbered

if TYPE_CHECKING:
    import pyarrow as pa

    from featurestore.definitions.labels import Labels
    from featurestore.definitions.part import Part
    from featurestore.definitions.spine import Spine
    from featurestore.training.examples import Examples
    from featurestore.warehouse.protocol import Warehouse

_FRAMES_DIALECT = "duckdb"


def narrow(spine: Spine, labels: Labels | None, part: Part | None, keys: tuple[str, ...], *, dialect: str) -> Spine:
    """Guard the labels of a spine, then take a part of it; see `sql.labels.labelled` and `sql.part.part_of`."""
    if labels is not None:
        spine = labelled(spine, labels, dialect=dialect)
    return spine if part is None else part_of(spine, part, keys, dialect=dialect)


def narrow_frame(
    examples: Examples, spine: Spine, labels: Labels | None, part: Part | None, keys: tuple[str, ...]
) -> tuple[Examples, Spine]:
    """Narrow a frame; what it yields is told by the frame and the spine in place of these.

    Raises:
        SpineError: labels that are known before the example's time, or unknown ones where they are refused.
    """
    assert examples.table is not None
    assert spine.row_number is not None
    is_timed = labels is not None and labels.is_timed
    if not is_timed and (part is None or part.limit is not None):
        return (examples if part is None else _first(examples, part.limit)), spine
    read = dict.fromkeys((*(spine.column(key).name for key in keys), spine.time))
    if labels is not None and labels.at is not None:
        read[labels.at] = None
    columns = tuple(column for column in spine.columns if column.name in read)
    small = replace(spine, columns=columns, dialect=_FRAMES_DIALECT)
    needed = numbered(examples.table).select([*(column.name for column in columns), spine.row_number])
    with closing(_memory()) as warehouse:
        warehouse.upload(UPLOADED, needed)
        if labels is not None:
            refuse_wrong_labels(warehouse, label_counts(small, labels, dialect=_FRAMES_DIALECT), labels)
        counted = replace(small, columns=(*columns, replace(columns[0], name=spine.row_number, type="int64")))
        bare = None if labels is None else replace(labels, names=())
        limit = None if part is None else part.limit
        made = narrow(counted, bare, part if limit is None else None, keys, dialect=_FRAMES_DIALECT)
        chosen = warehouse.read(made.sql).read_all().sort_by(spine.row_number).slice(0, limit)
    return _taken(examples, chosen, spine.row_number, labels), _with_known(spine, made, is_timed=is_timed)


def refuse_wrong_labels(warehouse: Warehouse, counts: str | None, labels: Labels) -> None:
    """Run the query of `sql.labels.label_counts`.

    Raises:
        SpineError: counts the labels that are known before the example's time, or not known where that is refused.
    """
    if counts is None or (labels.at is None and labels.unlabelled != "refuse"):
        return
    (row,) = warehouse.read(counts).read_all().to_pylist()
    if row["early"]:
        raise SpineError(
            f"the labels of {row['early']:,} examples are known before their time: '{labels.at}' lies before it",
            hint="a label tells what comes after the example; are the two columns mixed up?",
        )
    if row["unknown"] and labels.unlabelled == "refuse":
        raise SpineError(
            f"the labels of {row['unknown']:,} examples are not known by {labels.cutoff:%Y-%m-%d %H:%M:%S} UTC",
            hint="ask with unlabelled keep (their labels are NULL) or drop",
        )


def _first(examples: Examples, limit: int | None) -> Examples:
    assert examples.table is not None
    frame = examples.frame
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        frame = frame.iloc[:limit]
    return replace(examples, table=examples.table.slice(0, limit), frame=frame)


def _taken(examples: Examples, chosen: pa.Table, row_number: str, labels: Labels | None) -> Examples:
    import pyarrow as pa
    import pyarrow.compute as pc

    from featurestore.definitions.labels import LABEL_KNOWN

    rows = chosen.column(row_number)
    assert examples.table is not None
    table = examples.table.take(rows)
    if labels is not None and labels.is_timed:
        known = chosen.column(LABEL_KNOWN)
        place = pa.array(range(table.num_rows), pa.int64())
        seen = pc.if_else(known, place, pa.scalar(None, pa.int64()))  # a NULL place is a NULL value, of every type
        for name in labels.names:
            position = table.column_names.index(name)
            table = table.set_column(position, table.schema.field(position), table.column(position).take(seen))
        table = table.append_column(LABEL_KNOWN, known)
    frame = examples.frame
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        frame = frame.iloc[rows.to_numpy()]
    return replace(examples, table=table, frame=frame)


def _with_known(spine: Spine, made: Spine, *, is_timed: bool) -> Spine:
    """The frame's own spine, with the column that narrowing added."""
    return replace(spine, columns=(*spine.columns, made.columns[-1])) if is_timed else spine


def _memory() -> Warehouse:
    import duckdb

    from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse

    return DuckDBWarehouse(duckdb.connect(":memory:"))
