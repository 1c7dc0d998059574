"""Check the data of a view: one query that counts the rows which can never be used, or only by chance.

Shape: ``one row: rows, null_keys, null_event_time, future, duplicates``. A NULL key matches nothing and a NULL event
time is at no moment (SEMANTICS P2); of rows with equal keys and times, one hides the others (P4); a row in the future
is seen by nobody yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import (
    FROM_VIEW,
    alias,
    column,
    instant,
    is_given,
    nested,
    print_sql,
    relation,
    utc_column,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from featurestore.definitions.views import FeatureView

_SAME = "__same"


def check_query(view: FeatureView, now: datetime, *, dialect: str) -> str:
    """Write the query that checks a view's data.

    Args:
        view: the definition.
        now: what counts as the future begins after this, UTC.
        dialect: sqlglot's name of the warehouse.

    Returns:
        One SELECT with one row of counts: ``rows``, ``null_keys`` (any key is NULL), ``null_event_time``, ``future``
        (event time after `now`), ``duplicates`` (rows beyond the first with equal keys, event time and created time).
    """
    table = dialect_named(dialect)
    identity = identity_columns(view)
    is_keyless = [exp.Is(this=column(key.name, FROM_VIEW), expression=exp.Null()) for key in view.join_keys]
    has_no_time = exp.Is(this=column(view.event_time.name, FROM_VIEW), expression=exp.Null())
    is_future = exp.GT(this=utc_column(view.event_time, FROM_VIEW, table), expression=instant(now))
    same = (
        exp.select(alias(exp.Count(this=exp.Star()), _SAME))
        .from_(relation(view.relation, table, FROM_VIEW))
        .where(*[is_given(column(name, FROM_VIEW)) for name in (*_keys(view), view.event_time.name)])
        .group_by(*[column(name, FROM_VIEW) for name in identity])
    )
    repeated = exp.Sub(this=exp.Sum(this=column(_SAME, "s")), expression=exp.Count(this=exp.Star()))
    duplicates = exp.select(_or_zero(repeated)).from_(nested(same, "s")).subquery()
    query = exp.select(
        alias(exp.Count(this=exp.Star()), "rows"),
        alias(_count_where(_any_of(is_keyless)), "null_keys"),
        alias(_count_where(has_no_time), "null_event_time"),
        alias(_count_where(is_future), "future"),
        alias(exp.cast(duplicates, exp.DataType.Type.BIGINT), "duplicates"),
    ).from_(relation(view.relation, table, FROM_VIEW))
    return print_sql(query, table)


def identity_columns(view: FeatureView) -> tuple[str, ...]:
    """Name the columns that tell a view's rows apart: keys, event time, created time."""
    created = () if view.created_at is None else (view.created_at.name,)
    return (*_keys(view), view.event_time.name, *created)


def _keys(view: FeatureView) -> tuple[str, ...]:
    return tuple(key.name for key in view.join_keys)


def _any_of(conditions: Sequence[exp.Expression]) -> exp.Expression:
    joined: exp.Expression = conditions[0] if conditions else exp.false()
    for condition in conditions[1:]:
        joined = exp.Or(this=joined, expression=condition)
    return joined


def _count_where(condition: exp.Expression) -> exp.Expression:
    return exp.Count(this=exp.Case(ifs=[exp.If(this=condition, true=exp.Literal.number(1))]))


def _or_zero(value: exp.Expression) -> exp.Expression:
    return exp.Coalesce(this=value, expressions=[exp.Literal.number(0)])
