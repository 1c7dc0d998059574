"""``lateral``: for each example one short walk down an index on (keys, event time); best where such an index exists.

The event time is compared as it is stored, so that the index serves: what has to be converted is the example's time.
Where a table has no index, a temporary copy of the needed columns gets one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    FROM_SPINE,
    FROM_VIEW,
    SPINE_TIME,
    all_of,
    ascending,
    column,
    created_utc,
    interval,
    is_given,
    nested,
    newest_first,
    relation,
    table,
    utc_column,
)
from featurestore.sql.strategies.search import examples, in_spine_range, is_usable
from featurestore.sql.strategies.winners import row_columns

if TYPE_CHECKING:
    from featurestore.sql.strategies.search import Search

_FOUND = "l"


def whole_row(search: Search) -> exp.Select:
    """The newest usable row of each example."""
    view, dialect = search.view, search.dialect
    source = relation(view.relation, dialect, FROM_VIEW) if search.has_index else table(search.copy_name, FROM_VIEW)
    event = _event_time(search)
    conditions: list[exp.Expression] = [
        column(key.name, FROM_VIEW).eq(column(spine_key, FROM_SPINE))
        for key, spine_key in zip(view.join_keys, search.use.spine_keys, strict=True)
    ]
    before = exp.LT if view.boundary == "exclusive" else exp.LTE
    conditions.append(before(this=event, expression=_example_time(search, -view.delay_us)))
    if view.ttl_us is not None:
        conditions.append(exp.GTE(this=event.copy(), expression=_example_time(search, -view.ttl_us)))
    if view.as_of == "knowledge":
        conditions.append(is_usable(search, created_utc(view, FROM_VIEW, dialect), FROM_SPINE))
    # No NULL passes the conditions, and an index is walked backwards only in its own order of NULLs.
    newest = exp.Ordered(this=event.copy(), desc=True, nulls_first=dialect.nulls_first_when_descending)
    row = (
        exp.select(*row_columns(search))
        .from_(source)
        .where(all_of(conditions))
        .order_by(newest, *newest_first(view, FROM_VIEW, dialect))
        .limit(1)
    )
    found = exp.Lateral(this=row.subquery(), alias=exp.TableAlias(this=exp.to_identifier(_FOUND, quoted=True)))
    asked = examples(search)
    if dialect.has_indexes:
        # Neighbours in the index are walked to one after the other, while its pages are at hand: half the time.
        asked = asked.order_by(*[ascending(column(key)) for key in (*search.use.spine_keys, SPINE_TIME)], copy=False)
    return (
        exp.select(*search.from_example(search.identity, FROM_SPINE), *row_columns(search, _FOUND))
        .from_(nested(asked, FROM_SPINE))
        .join(found, join_type="cross")
    )


def _event_time(search: Search) -> exp.Expression:
    """As it is stored, but for nanoseconds: times count to the microsecond, and those with more end in 2262."""
    of = search.view.event_time
    return utc_column(of, FROM_VIEW, search.dialect) if of.type == "timestamp_ns" else column(of.name, FROM_VIEW)


def indexed_copy(search: Search) -> exp.Select:
    """The columns that `whole_row` reads, of the rows that an example may see."""
    view, dialect = search.view, search.dialect
    times = [view.event_time.name, *([] if view.created_at is None else [view.created_at.name])]
    keys = [key.name for key in view.join_keys]
    features = [feature.name for feature in view.features]
    names = dict.fromkeys((*keys, *times, *view.tie_breakers, *features))
    conditions: list[exp.Expression] = [is_given(column(name, FROM_VIEW)) for name in (*keys, view.event_time.name)]
    if search.prune:
        event = utc_column(view.event_time, FROM_VIEW, dialect)
        conditions.extend(in_spine_range(search, event, event))
    return (
        exp.select(*[column(name, FROM_VIEW) for name in names])
        .from_(relation(view.relation, dialect, FROM_VIEW))
        .where(*conditions)
    )


def _example_time(search: Search, shift_us: int) -> exp.Expression:
    """The example's time plus a shift, in the type of the view's event time."""
    time: exp.Expression = column(SPINE_TIME, FROM_SPINE)
    if shift_us:
        time = exp.paren(exp.Sub(this=time, expression=interval(-shift_us)))
    return search.dialect.utc_to_instant(time) if search.view.event_time.type == "timestamptz" else time
