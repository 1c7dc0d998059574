"""``range_argmax``: join each example to its candidate rows and take the greatest event time; best where these are few.

With a ttl the time line is cut into buckets as long as the ttl: all rows an example can see lie in its own bucket and
the one before, so the join compares keys *and* buckets for equality and never meets the rest of a key's history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    EVENT,
    FROM_SPINE,
    FROM_VIEW,
    SPINE_TIME,
    USABLE,
    alias,
    all_of,
    column,
    interval,
    nested,
    unaliased,
)
from featurestore.sql.strategies.search import examples, is_usable, usable_rows, within_ttl

if TYPE_CHECKING:
    from featurestore.sql.strategies.search import Search

_BUCKET = "__bucket"
_ROWS = "r"
_ASKED = "e"


def match(search: Search) -> exp.Select:
    """Each example's event time: the greatest among its candidates."""
    rows = usable_rows(search)
    asked: exp.Query = examples(search)
    conditions = search.same_keys(FROM_SPINE)
    if search.view.ttl_us is not None and search.dialect.bucket is not None:
        rows, asked = _in_buckets(search, rows, asked)
        conditions.append(column(_BUCKET, FROM_SPINE).eq(column(_BUCKET, FROM_VIEW)))
    conditions.append(is_usable(search, column(USABLE, FROM_VIEW), FROM_SPINE))
    conditions.extend(within_ttl(search, column(EVENT, FROM_VIEW), FROM_SPINE))
    *known, event = search.match_columns
    chosen = search.from_example(known, FROM_SPINE)
    grouped = [unaliased(selected) for selected in chosen]
    if search.by_row and search.dialect.has_any_value:
        # A row number says it all; grouping by the keys too would hash them for nothing.
        chosen = [chosen[0], *(alias(exp.AnyValue(this=unaliased(made)), made.alias_or_name) for made in chosen[1:])]
        grouped = grouped[:1]
    return (
        exp.select(*chosen, alias(exp.Max(this=column(event, FROM_VIEW)), event))
        .from_(nested(asked, FROM_SPINE), copy=False)
        .join(nested(rows, FROM_VIEW), on=all_of(conditions), copy=False)
        .group_by(*grouped, copy=False)
    )


def _in_buckets(search: Search, rows: exp.Select, asked: exp.Query) -> tuple[exp.Select, exp.Query]:
    """Give each row its bucket, and each example a line for its own bucket and one for that before."""
    ttl_us, bucket = search.view.ttl_us, search.dialect.bucket
    assert ttl_us is not None
    assert bucket is not None
    placed = exp.select(
        *[column(name, _ROWS) for name in (*search.keys, USABLE, EVENT)],
        alias(bucket(column(EVENT, _ROWS), ttl_us), _BUCKET),
    ).from_(nested(rows, _ROWS), copy=False)
    time = column(SPINE_TIME, _ASKED)
    names = [selected.alias_or_name for selected in asked.selects]
    lines = [
        exp.select(*[column(name, _ASKED) for name in names], alias(bucket(moment, ttl_us), _BUCKET)).from_(
            nested(asked.copy(), _ASKED), copy=False
        )
        for moment in (time, exp.Sub(this=time.copy(), expression=interval(ttl_us)))
    ]
    return placed, exp.union(lines[0], lines[1], distinct=False, copy=False)
