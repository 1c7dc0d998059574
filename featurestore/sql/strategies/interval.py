"""``interval``: rows that say until when they are valid are joined by their interval, with no search at all (P9).

The usable row whose validity has not ended by the example's time; a NULL end is still valid. Intervals of one key that
overlap are resolved like ties: the newest wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    FROM_SPINE,
    FROM_VIEW,
    SPINE_TIME,
    all_of,
    column,
    created_utc,
    nested,
    relation,
    usable_from,
    utc_column,
)
from featurestore.sql.strategies.search import examples, is_usable, within_ttl
from featurestore.sql.strategies.winners import newest_per_example, row_columns

if TYPE_CHECKING:
    from featurestore.sql.strategies.search import Search


def whole_row(search: Search) -> exp.Select:
    """The row that is valid at each example's time."""
    view, dialect = search.view, search.dialect
    assert view.valid_to is not None
    event = utc_column(view.event_time, FROM_VIEW, dialect)
    end = utc_column(view.valid_to, FROM_VIEW, dialect)
    conditions: list[exp.Expression] = [
        column(key.name, FROM_VIEW).eq(column(spine_key, FROM_SPINE))
        for key, spine_key in zip(view.join_keys, search.use.spine_keys, strict=True)
    ]
    conditions.append(is_usable(search, usable_from(view, FROM_VIEW, dialect), FROM_SPINE))
    if view.as_of == "knowledge":
        conditions.append(is_usable(search, created_utc(view, FROM_VIEW, dialect), FROM_SPINE))
    is_valid = exp.LT(this=column(SPINE_TIME, FROM_SPINE), expression=end.copy())
    conditions.append(exp.paren(exp.or_(end.is_(exp.null()), is_valid)))
    conditions.extend(within_ttl(search, event, FROM_SPINE))
    identity = search.from_example(search.identity, FROM_SPINE)
    query = (
        exp.select(*identity, *row_columns(search))
        .from_(nested(examples(search), FROM_SPINE))
        .join(relation(view.relation, dialect, FROM_VIEW), on=all_of(conditions))
    )
    newest = exp.Ordered(this=event.copy(), desc=True, nulls_first=False)
    return newest_per_example(search, query, identity, [newest])
