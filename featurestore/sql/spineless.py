"""Retrieval without a spine: every feature row in a range, or one snapshot per entity at a time (SEMANTICS P16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.definitions.references import ViewUse
from featurestore.definitions.spine import DEFAULT_TIME, Spine
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import (
    FROM_VIEW,
    alias,
    column,
    instant,
    nested,
    print_sql,
    relation,
    utc_column,
)
from featurestore.sql.plan import Plan

_COPY = "__copy"

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.references import Selection
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect


def snapshot_spine(selection: Selection, at: datetime, *, dialect: str = "duckdb") -> Spine:
    """Make the spine of all distinct keys of the asked views, all at one time.

    Returns:
        A spine with the join keys and ``event_timestamp`` (a naive UTC timestamp). Keys with a NULL part are left out.

    Raises:
        UsageError: the uses do not share their join keys.
    """
    target = dialect_named(dialect)
    keyed = [use for use in selection.uses if use.spine_keys]
    for use in keyed[1:]:
        if use.spine_keys != keyed[0].spine_keys:
            raise UsageError(
                f"a snapshot needs views with the same join keys, got {', '.join(keyed[0].spine_keys)} "
                f"({keyed[0].name}) and {', '.join(use.spine_keys)} ({use.name})",
                hint="ask for them one at a time, or give a spine",
            )
    time = Column(name=DEFAULT_TIME, type="timestamp")
    if not keyed:
        sql = print_sql(exp.select(alias(instant(at), time.name)), target)
        return Spine(sql=sql, columns=(time,), time=time.name)
    names = keyed[0].spine_keys
    entities: exp.Query = _distinct_keys(keyed[0], target)
    for use in keyed[1:]:
        entities = exp.union(entities, _distinct_keys(use, target))
    query = exp.select(*[column(name) for name in names], alias(instant(at), time.name)).from_(
        nested(entities, "entities")
    )
    types = [key.type for key in keyed[0].view.join_keys]
    columns = tuple(Column(name=name, type=key_type) for name, key_type in zip(names, types, strict=True))
    return Spine(sql=print_sql(query, target), columns=(*columns, time), time=time.name)


def key_count_query(view: FeatureView, *, dialect: str = "duckdb") -> str:
    """Write the SELECT of how many keys a view has, as ``keys``; those with a NULL part are left out."""
    target = dialect_named(dialect)
    use = ViewUse(view=view, name=view.name, spine_keys=tuple(key.name for key in view.join_keys))
    query = exp.select(alias(exp.Count(this=exp.Star()), "keys")).from_(nested(_distinct_keys(use, target), "entities"))
    return print_sql(query, target)


def range_plan(
    selection: Selection,
    start: datetime,
    end: datetime,
    *,
    unique_by: str | None = None,
    dialect: str = "duckdb",
) -> Plan:
    """Plan the SELECT of every row of one view with ``start <= event time <= end``.

    Args:
        selection: features of one view.
        start: the first event time.
        end: the last event time.
        unique_by: a column; of rows that are equal in it one is taken. None takes all rows.
        dialect: sqlglot's name of the warehouse.

    Returns:
        Rows: the view's, as they are. Columns: join keys, the event time as ``event_timestamp``, the features.

    Raises:
        UsageError: more than one view is asked for, or start is after end.
    """
    target = dialect_named(dialect)
    if len(selection.uses) != 1:
        names = ", ".join(use.name for use in selection.uses)
        raise UsageError(
            f"start and end read one view at a time, got {names}",
            hint="ask for them one at a time, or use at=T for a snapshot of several",
        )
    if start > end:
        raise UsageError(f"start {start.isoformat()} is after end {end.isoformat()}")
    (use,) = selection.uses
    view = use.view
    event = utc_column(view.event_time, FROM_VIEW, target)
    keys = [alias(column(key.name, FROM_VIEW), name) for key, name in zip(view.join_keys, use.spine_keys, strict=True)]
    result = (
        exp.select(
            *keys,
            alias(column(view.event_time.name, FROM_VIEW), DEFAULT_TIME),
            *[alias(column(output.feature.name, FROM_VIEW), output.name) for output in selection.outputs],
        )
        .from_(_rows(view, unique_by, target))
        .where(
            exp.GTE(this=event, expression=instant(start)),
            exp.LTE(this=event.copy(), expression=instant(end)),
        )
    )
    return Plan(dialect=target, steps=(), result=result)


def _rows(view: FeatureView, unique_by: str | None, dialect: Dialect) -> exp.Expression:
    """The view's rows; of those with one value in `unique_by`, one."""
    if unique_by is None:
        return relation(view.relation, dialect, FROM_VIEW)
    number = exp.Window(
        this=exp.RowNumber(),
        partition_by=[column(unique_by, FROM_VIEW)],
        order=exp.Order(expressions=[exp.Ordered(this=utc_column(view.event_time, FROM_VIEW, dialect))]),
    )
    every = exp.select(
        exp.Column(this=exp.Star(), table=exp.to_identifier(FROM_VIEW, quoted=True)), alias(number, _COPY)
    )
    numbered = every.from_(relation(view.relation, dialect, FROM_VIEW))
    is_first = exp.EQ(this=column(_COPY, FROM_VIEW), expression=exp.Literal.number(1))
    first = exp.select(exp.Star()).from_(nested(numbered, FROM_VIEW)).where(is_first)
    return nested(first, FROM_VIEW)


def _distinct_keys(use: ViewUse, dialect: Dialect) -> exp.Select:
    keys = [
        alias(column(key.name, FROM_VIEW), name) for key, name in zip(use.view.join_keys, use.spine_keys, strict=True)
    ]
    # This text is read again as a spine: NOT x IS NULL reads the same in every sqlglot.
    present = [column(key.name, FROM_VIEW).is_(exp.null()).not_() for key in use.view.join_keys]
    return exp.select(*keys).distinct().from_(relation(use.view.relation, dialect, FROM_VIEW)).where(*present)
