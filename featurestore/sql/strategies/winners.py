"""The whole winning row per example: its features, fetched once, ties resolved (SEMANTICS P4, P5).

Wide columns are read here for the first time, for the winners alone. At most one row per example comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    EVENT,
    FROM_MATCH,
    FROM_VIEW,
    all_of,
    column,
    created_utc,
    keep_first,
    newest_first,
    relation,
    table,
    unaliased,
    utc_column,
)
from featurestore.sql.strategies.search import is_usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.sql.strategies.search import Search


def matched_row(search: Search) -> exp.Select:
    """Fetch, for each example of the matching step, the newest of the view's rows at the event time it found."""
    view, dialect = search.view, search.dialect
    conditions: list[exp.Expression] = [
        column(key.name, FROM_VIEW).eq(column(name, FROM_MATCH))
        for key, name in zip(view.join_keys, search.keys, strict=True)
    ]
    conditions.append(utc_column(view.event_time, FROM_VIEW, dialect).eq(column(EVENT, FROM_MATCH)))
    if view.as_of == "knowledge":
        conditions.append(is_usable(search, created_utc(view, FROM_VIEW, dialect), FROM_MATCH))
    identity = [column(name, FROM_MATCH) for name in search.identity]
    query = (
        exp.select(*identity, *row_columns(search))
        .from_(table(search.match_name, FROM_MATCH), copy=False)
        .join(relation(view.relation, dialect, FROM_VIEW), on=all_of(conditions), copy=False)
    )
    return newest_per_example(search, query, identity)


def row_columns(search: Search, source: str = FROM_VIEW) -> list[exp.Expression]:
    """What is kept of a row: the asked features and the event time, each once."""
    return [column(name, source) for name in dict.fromkeys((*search.features, search.view.event_time.name))]


def newest_per_example(
    search: Search, query: exp.Select, identity: Sequence[exp.Expression], before: Sequence[exp.Ordered] = ()
) -> exp.Select:
    """Keep one row per example: the first in the order `before`, then the newest by P4."""
    order = [*before, *newest_first(search.view, FROM_VIEW, search.dialect)]
    each_once = list(dict.fromkeys(order))
    order = each_once if len(each_once) > 1 else order  # `newest_first` says why one alone will not do
    return keep_first(query, [unaliased(made) for made in identity], order, search.dialect)
