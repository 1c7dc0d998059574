"""``asof``: the warehouse's own ASOF join finds the newest event time; its cost hangs on rows, not on density.

Only keys and times move in the join; on equal event times it may take any row, so it is asked for the time alone and
the whole row is fetched after (`winners`).
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
    column,
    is_given,
    nested,
)
from featurestore.sql.strategies.search import examples, usable_rows, within_ttl

if TYPE_CHECKING:
    from featurestore.sql.strategies.search import Search

_ONE = "__one"


def match(search: Search) -> exp.Select:
    """Each example's event time. Examples without a time are left out, since some engines match them."""
    form = search.dialect.asof
    assert form is not None, f"{search.dialect.name} has no ASOF join"
    rows, asked = usable_rows(search, is_running=True), examples(search)
    equal = search.same_keys(FROM_SPINE)
    if form.needs_key and not equal:
        rows, asked = (query.select(alias(exp.Literal.number(1), _ONE)) for query in (rows, asked))
        equal = [column(_ONE, FROM_SPINE).eq(column(_ONE, FROM_VIEW))]
    before = exp.GT if search.view.boundary == "exclusive" else exp.GTE
    is_usable = before(this=column(SPINE_TIME, FROM_SPINE), expression=column(USABLE, FROM_VIEW))
    *known, event = search.match_columns
    query = exp.select(*search.from_example(known, FROM_SPINE), column(event, FROM_VIEW)).from_(
        nested(asked, FROM_SPINE), copy=False
    )
    query.append("joins", form.join(nested(rows, FROM_VIEW), equal, is_usable))
    unmatched = [is_given(column(EVENT, FROM_VIEW))] if form.keeps_unmatched else []
    return query.where(*unmatched, *within_ttl(search, column(EVENT, FROM_VIEW), FROM_SPINE), copy=False)
