"""``union_first``: both sides in one time line per key, and the greatest event time so far at each example.

The portable way: one UNION ALL and one window with a running maximum; no ASOF, no pairs, no temporary table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    EVENT,
    FROM_SPINE,
    FROM_VIEW,
    SPINE_ROW,
    SPINE_TIME,
    USABLE,
    alias,
    ascending,
    column,
    is_given,
    nested,
)
from featurestore.sql.strategies.search import examples, usable_rows, within_ttl

if TYPE_CHECKING:
    from featurestore.sql.strategies.search import Search

_SIDE = "__side"
_LINE = "t"


def match(search: Search) -> exp.Select:
    """Each example's event time: the running maximum at its place in the time line."""
    line = [*([SPINE_ROW] if search.by_row else []), *search.keys, SPINE_TIME]
    example_side, feature_side = (0, 1) if search.view.boundary == "exclusive" else (1, 0)
    features = exp.select(
        *([alias(exp.cast(exp.null(), exp.DataType.Type.BIGINT), SPINE_ROW)] if search.by_row else []),
        *[column(name, FROM_VIEW) for name in search.keys],
        alias(column(USABLE, FROM_VIEW), SPINE_TIME),
        column(EVENT, FROM_VIEW),
        alias(exp.Literal.number(feature_side), _SIDE),
    ).from_(nested(usable_rows(search), FROM_VIEW))
    asked = exp.select(
        *search.from_example(line, FROM_SPINE),
        alias(exp.cast(exp.null(), exp.DataType.Type.TIMESTAMP), EVENT),
        alias(exp.Literal.number(example_side), _SIDE),
    ).from_(nested(examples(search), FROM_SPINE))
    so_far = exp.Window(
        this=exp.Max(this=column(EVENT, _LINE)),
        partition_by=[column(name, _LINE) for name in search.keys] or None,
        order=exp.Order(expressions=[ascending(column(SPINE_TIME, _LINE)), ascending(column(_SIDE, _LINE))]),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )
    timeline = exp.select(
        *[column(name, _LINE) for name in (*line, _SIDE)],
        alias(so_far, EVENT),
    ).from_(nested(exp.union(features, asked, distinct=False), _LINE))
    return (
        exp.select(*[column(name, FROM_VIEW) for name in search.match_columns])
        .from_(nested(timeline, FROM_VIEW))
        .where(
            column(_SIDE, FROM_VIEW).eq(exp.Literal.number(example_side)),
            is_given(column(EVENT, FROM_VIEW)),
            *within_ttl(search, column(EVENT, FROM_VIEW), FROM_VIEW),
        )
    )
