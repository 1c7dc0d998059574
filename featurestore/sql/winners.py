"""The whole winning row per example: its features, fetched once, ties resolved (SEMANTICS P4, P5).

Two ways in: ``matched`` fetches the row whose event time `matching` found; ``valid`` takes the usable row
whose validity has not ended by the example's time (P9). Both yield (spine row, features, event time), at most one
row per example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    EVENT,
    FROM_MATCH,
    FROM_SPINE,
    FROM_VIEW,
    SPINE,
    SPINE_ROW,
    SPINE_TIME,
    all_of,
    column,
    created_utc,
    interval,
    keep_first,
    newest_first,
    relation,
    table,
    usable_from,
    utc_column,
)
from featurestore.sql.matching import key_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect


def matched_row(use: ViewUse, features: Sequence[str], match: str, dialect: Dialect) -> exp.Select:
    """Fetch, for each row of the step `match`, the newest of the view's rows at that event time."""
    view = use.view
    conditions: list[exp.Expression] = [
        column(key.name, FROM_VIEW).eq(column(key_name(n), FROM_MATCH)) for n, key in enumerate(view.join_keys)
    ]
    conditions.append(utc_column(view.event_time, FROM_VIEW, dialect).eq(column(EVENT, FROM_MATCH)))
    if view.as_of == "knowledge":
        conditions.append(_usable_by(view, created_utc(view, FROM_VIEW, dialect), FROM_MATCH))
    source = relation(view.relation, dialect, FROM_VIEW)
    query = _columns(view, features, FROM_MATCH).from_(table(match, FROM_MATCH))
    return _newest_per_example(query.join(source, on=all_of(conditions)), view, FROM_MATCH, dialect)


def valid_row(use: ViewUse, features: Sequence[str], dialect: Dialect) -> exp.Select:
    """Fetch, for each example, the usable row with ``time < valid_to``; a NULL `valid_to` is still valid."""
    view = use.view
    assert view.valid_to is not None
    time = column(SPINE_TIME, FROM_SPINE)
    event = utc_column(view.event_time, FROM_VIEW, dialect)
    end = utc_column(view.valid_to, FROM_VIEW, dialect)
    conditions: list[exp.Expression] = [
        column(key.name, FROM_VIEW).eq(column(spine_key, FROM_SPINE))
        for key, spine_key in zip(view.join_keys, use.spine_keys, strict=True)
    ]
    conditions.append(_usable_by(view, usable_from(view, FROM_VIEW, dialect), FROM_SPINE))
    if view.as_of == "knowledge":
        conditions.append(_usable_by(view, created_utc(view, FROM_VIEW, dialect), FROM_SPINE))
    conditions.append(exp.paren(exp.or_(end.is_(exp.null()), exp.LT(this=time, expression=end.copy()))))
    if view.ttl_us is not None:
        oldest = exp.Sub(this=time.copy(), expression=interval(view.ttl_us))
        conditions.append(exp.GTE(this=event, expression=oldest))
    source = relation(view.relation, dialect, FROM_VIEW)
    query = _columns(view, features, FROM_SPINE).from_(table(SPINE, FROM_SPINE))
    order = [exp.Ordered(this=event.copy(), desc=True, nulls_first=False)]
    return _newest_per_example(query.join(source, on=all_of(conditions)), view, FROM_SPINE, dialect, order)


def _usable_by(view: FeatureView, since: exp.Expression, example: str) -> exp.Expression:
    """``since <= spine time``, or ``<`` where the view's boundary is exclusive (SEMANTICS P2)."""
    before = exp.LT if view.boundary == "exclusive" else exp.LTE
    return before(this=since, expression=column(SPINE_TIME, example))


def _columns(view: FeatureView, features: Sequence[str], example: str) -> exp.Select:
    names = dict.fromkeys((*features, view.event_time.name))
    return exp.select(column(SPINE_ROW, example), *[column(name, FROM_VIEW) for name in names])


def _newest_per_example(
    query: exp.Select,
    view: FeatureView,
    example: str,
    dialect: Dialect,
    before: Sequence[exp.Ordered] = (),
) -> exp.Select:
    order = [*before, *newest_first(view, FROM_VIEW, dialect)]
    return keep_first(query, [column(SPINE_ROW, example)], order, dialect)
