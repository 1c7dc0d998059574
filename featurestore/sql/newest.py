"""Newest row per key: what a sync moves (SEMANTICS O5, O6).

Shape: ``per key the greatest event time usable by the end -> the whole row there -> keys, times, features``.
Like the point-in-time join, only keys and times are grouped; wide columns are read for the winners alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import (
    EVENT,
    FROM_MATCH,
    FROM_VIEW,
    alias,
    all_of,
    ascending,
    column,
    created_utc,
    instant,
    is_given,
    keep_first,
    key_name,
    nested,
    newest_first,
    print_sql,
    relation,
    table,
    usable_from,
    utc_column,
)

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect

_TIMES = "__times"
_ROWS = "__rows"
_SLICE = "__slice"
_SAMPLED_KEYS = 20_000
_HEX_DIGITS = 8
EVENT_US = "__event_time"
CREATED_US = "__created_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """A range of the first join key, an integer or a text: beyond `after`, up to and with `upto`; None is no bound."""

    after: int | str | None = None
    upto: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncWindow:
    """Which rows a sync looks at; all times UTC.

    Attributes:
        end: rows usable by then, inclusive on event time (P2, P7, P8 as the view says).
        start: rows from then on, inclusive; None for all.
        after_event, after_created: watermarks: rows with an event time beyond the first or a created time beyond
            the second (O6); both None for a full read. `after_event` alone is inclusive: it has the lookback in it.
        keys: only rows of these keys; None for all.
    """

    end: datetime
    start: datetime | None = None
    after_event: datetime | None = None
    after_created: datetime | None = None
    keys: KeyRange | None = None


def newest_query(
    view: FeatureView,
    window: SyncWindow,
    *,
    dialect: str = "duckdb",
    limit: int | None = None,
    in_order: bool = True,
    is_sparse: bool = False,
) -> str:
    """Write the SELECT of each key's newest row in the window; with a limit, of the first keys only.

    Args:
        view: the definition.
        window: which of its rows.
        dialect: sqlglot's name of the warehouse.
        limit: how many rows at most.
        in_order: whether rows come in the order of their keys, since stores that keep rows by key take them faster so;
            where many workers write, a sort over all of them is not worth its shuffle.
        is_sparse: whether most keys have one row, which needs no look at ties; the rows are the same either way.

    Returns:
        One SELECT. Rows: one per distinct tuple of join keys without NULLs; one row in all for a view without entity.
        Columns, by their own names and types: the join keys, the event time, the created time if the view has one,
        then ``view.online_columns``.
    """
    target = dialect_named(dialect)
    query: exp.Query
    if view.valid_to is not None:
        query = _newest_valid(view, window, target)
    else:
        query = _newest_sparse(view, window, target) if is_sparse else _newest(view, window, target)
    keys = [ascending(column(key.name)) for key in view.join_keys] if in_order else []
    ordered = query.order_by(*keys, copy=False) if keys else query
    return print_sql(ordered if limit is None else ordered.limit(limit, copy=False), target)


def key_estimate_query(view: FeatureView, window: SyncWindow) -> str:
    """Write DuckDB's SELECT of about how many keys the window has: one row, one column ``keys``."""
    target = dialect_named("duckdb")
    keys: list[exp.Expression] = [column(key.name, FROM_VIEW) for key in view.join_keys]
    keys = keys or [exp.Literal.number(1)]
    counted = exp.ApproxDistinct(this=keys[0] if len(keys) == 1 else exp.Tuple(expressions=keys))
    source = relation(view.relation, target, FROM_VIEW)
    return print_sql(exp.select(alias(counted, "keys")).from_(source).where(*_conditions(view, window, target)), target)


def key_bounds_query(view: FeatureView, window: SyncWindow, slices: int, *, keys: int, dialect: str = "duckdb") -> str:
    """Write the SELECT of the greatest first key of each slice, in order: column ``bound``, at most `slices` rows.

    Slices have about as many rows each; a sample of the rows says where they end.

    Args:
        view: the definition.
        window: which of its rows.
        slices: how many are wanted.
        keys: about how many keys there are.
        dialect: DuckDB draws rows; others take keys by their MD5, which each of their workers can tell by itself.
    """
    target = dialect_named(dialect)
    first = view.join_keys[0].name
    rows = (
        exp.select(column(first, FROM_VIEW))
        .from_(relation(view.relation, target, FROM_VIEW))
        .where(*_conditions(view, window, target))
    )
    if dialect == "duckdb":
        rows = exp.select(column(first, FROM_VIEW)).from_(nested(rows, FROM_VIEW))
        rows.set("sample", exp.TableSample(method=exp.var("RESERVOIR"), size=exp.Literal.number(_SAMPLED_KEYS)))
    elif keys > _SAMPLED_KEYS:
        hashed = exp.MD5(this=exp.cast(column(first, FROM_VIEW), exp.DataType.Type.TEXT))
        digits = exp.Substring(this=hashed, start=exp.Literal.number(1), length=exp.Literal.number(_HEX_DIGITS))
        most = format(_SAMPLED_KEYS * 16**_HEX_DIGITS // keys, f"0{_HEX_DIGITS}x")
        rows = rows.where(exp.LT(this=digits, expression=exp.Literal.string(most)), copy=False)
    order = exp.Order(expressions=[ascending(column(first, FROM_VIEW))])
    numbered = exp.Window(this=exp.Anonymous(this="NTILE", expressions=[exp.Literal.number(slices)]), order=order)
    tiles = exp.select(column(first, FROM_VIEW), alias(numbered, _SLICE)).from_(nested(rows, FROM_VIEW))
    greatest = alias(exp.Max(this=column(first, FROM_MATCH)), "bound")
    bounds = exp.select(greatest).from_(nested(tiles, FROM_MATCH)).group_by(column(_SLICE, FROM_MATCH))
    distinct = exp.select(column("bound", FROM_VIEW)).from_(nested(bounds, FROM_VIEW)).distinct(copy=False)
    return print_sql(distinct.order_by(ascending(column("bound", FROM_VIEW)), copy=False), target)


def newest_count_query(view: FeatureView, window: SyncWindow, *, dialect: str = "duckdb") -> str:
    """Write the SELECT of how many rows `newest_query` yields: one row, one column ``rows``."""
    target = dialect_named(dialect)
    keys = [column(key.name, FROM_VIEW) for key in view.join_keys]
    found = (
        exp.select(*([alias(key, key_name(n)) for n, key in enumerate(keys)] or [alias(exp.Literal.number(1), "one")]))
        .from_(relation(view.relation, target, FROM_VIEW))
        .where(*_conditions(view, window, target))
    )
    distinct = found.distinct(copy=False)
    counted = exp.select(alias(exp.Count(this=exp.Star()), "rows")).from_(nested(distinct, FROM_MATCH))
    return print_sql(counted, target)


def _newest(view: FeatureView, window: SyncWindow, dialect: Dialect) -> exp.Select:
    """The greatest event time per key, then the whole row there."""
    rows = _at_greatest_time(view, window, dialect, nested(_greatest_times(view, window, dialect), FROM_MATCH))
    return _without_ties(rows, view, dialect)


def _newest_sparse(view: FeatureView, window: SyncWindow, dialect: Dialect) -> exp.Select:
    """The same in two parts: a key's only row as it is, and of the other keys the first of their newest rows."""
    times = _greatest_times(view, window, dialect).select(alias(exp.Count(this=exp.Star()), _ROWS), copy=False)
    rows = _at_greatest_time(view, window, dialect, table(_TIMES, FROM_MATCH))
    is_alone = exp.EQ(this=column(_ROWS, FROM_MATCH), expression=exp.Literal.number(1))
    has_others = exp.GT(this=column(_ROWS, FROM_MATCH), expression=exp.Literal.number(1))
    parts = exp.union(
        rows.copy().where(is_alone), _without_ties(rows.where(has_others), view, dialect), distinct=False, copy=False
    )
    names = [column(name, FROM_VIEW) for name in _row_columns(view)]
    return (
        exp.select(*names)
        .from_(nested(parts, FROM_VIEW))
        .with_(exp.to_identifier(_TIMES, quoted=True), as_=times, copy=False)
    )


def _greatest_times(view: FeatureView, window: SyncWindow, dialect: Dialect) -> exp.Select:
    keys = [column(key.name, FROM_VIEW) for key in view.join_keys]
    times = (
        exp.select(
            *[alias(key, key_name(n)) for n, key in enumerate(keys)],
            alias(exp.Max(this=utc_column(view.event_time, FROM_VIEW, dialect)), EVENT),
        )
        .from_(relation(view.relation, dialect, FROM_VIEW))
        .where(*_conditions(view, window, dialect))
    )
    return times.group_by(*[key.copy() for key in keys], copy=False) if keys else times


def _at_greatest_time(view: FeatureView, window: SyncWindow, dialect: Dialect, times: exp.Expression) -> exp.Select:
    same = [column(key.name, FROM_VIEW).eq(column(key_name(n), FROM_MATCH)) for n, key in enumerate(view.join_keys)]
    same.append(utc_column(view.event_time, FROM_VIEW, dialect).eq(column(EVENT, FROM_MATCH)))
    return (
        exp.select(*[column(name, FROM_VIEW) for name in _row_columns(view)])
        .from_(relation(view.relation, dialect, FROM_VIEW))
        .join(times, on=all_of(same))
        .where(*_conditions(view, window, dialect))
    )


def _without_ties(rows: exp.Select, view: FeatureView, dialect: Dialect) -> exp.Select:
    keys = [column(key.name, FROM_VIEW) for key in view.join_keys]
    return keep_first(rows, keys, newest_first(view, FROM_VIEW, dialect), dialect)


def _newest_valid(view: FeatureView, window: SyncWindow, dialect: Dialect) -> exp.Select:
    """The newest row valid at the end; where none is, the newest closed one, so that its end gets known (P9)."""
    assert view.valid_to is not None
    ended_by = utc_column(view.valid_to, FROM_VIEW, dialect)
    is_valid = exp.or_(ended_by.is_(exp.null()), exp.GT(this=ended_by.copy(), expression=instant(window.end)))
    order = [
        ascending(exp.case().when(is_valid, "0").else_("1")),
        exp.Ordered(this=utc_column(view.event_time, FROM_VIEW, dialect), desc=True, nulls_first=False),
        *newest_first(view, FROM_VIEW, dialect),
        exp.Ordered(this=ended_by.copy(), desc=True, nulls_first=True),
    ]
    rows = (
        exp.select(*[column(name, FROM_VIEW) for name in _row_columns(view)])
        .from_(relation(view.relation, dialect, FROM_VIEW))
        .where(*_conditions(view, window, dialect))
    )
    return keep_first(rows, [column(key.name, FROM_VIEW) for key in view.join_keys], order, dialect)


def _row_columns(view: FeatureView) -> list[str]:
    """Names of what an online row is made of, each once."""
    times = [view.event_time] if view.created_at is None else [view.event_time, view.created_at]
    return list(dict.fromkeys(made.name for made in (*view.join_keys, *times, *view.online_columns)))


def watermark_query(view: FeatureView, window: SyncWindow, *, dialect: str = "duckdb") -> str:
    """Write the SELECT of what a sync sees: one row (``rows``, greatest ``__event_time``, ``__created_time``)."""
    target = dialect_named(dialect)
    event = utc_column(view.event_time, FROM_VIEW, target)
    query = (
        exp.select(
            alias(exp.Count(this=exp.Star()), "rows"),
            alias(exp.Max(this=event), EVENT_US),
            alias(exp.Max(this=created_utc(view, FROM_VIEW, target)), CREATED_US),
        )
        .from_(relation(view.relation, target, FROM_VIEW))
        .where(*_conditions(view, window, target))
    )
    return print_sql(query, target)


def _conditions(view: FeatureView, window: SyncWindow, dialect: Dialect) -> list[exp.Expression]:
    """Which rows count: with keys, usable by the end, from the start on, beyond the watermarks."""
    event = utc_column(view.event_time, FROM_VIEW, dialect)
    usable = usable_from(view, FROM_VIEW, dialect)
    until = exp.LT if view.boundary == "exclusive" else exp.LTE
    end = instant(window.end)
    conditions: list[exp.Expression] = [is_given(column(key.name, FROM_VIEW)) for key in view.join_keys]
    conditions.append(until(this=usable, expression=end))
    if view.as_of == "knowledge":
        conditions.append(until(this=created_utc(view, FROM_VIEW, dialect), expression=end.copy()))
    if window.keys is not None:
        conditions += _within(column(view.join_keys[0].name, FROM_VIEW), window.keys)
    if window.start is not None:
        conditions.append(exp.GTE(this=event.copy(), expression=instant(window.start)))
    if window.after_event is not None:
        beyond: exp.Expression = exp.GTE(this=event.copy(), expression=instant(window.after_event))
        if window.after_created is not None:
            beyond = exp.GT(this=event.copy(), expression=instant(window.after_event))
            loaded = exp.GT(this=created_utc(view, FROM_VIEW, dialect), expression=instant(window.after_created))
            beyond = exp.Or(this=beyond, expression=loaded)
        if view.valid_to is not None:
            # A row that was closed since keeps its event time; its end is what is new.
            ended = exp.GT(this=utc_column(view.valid_to, FROM_VIEW, dialect), expression=instant(window.after_event))
            beyond = exp.Or(this=beyond, expression=ended)
        conditions.append(exp.paren(beyond))
    return conditions


def _within(key: exp.Column, keys: KeyRange) -> list[exp.Expression]:
    conditions: list[exp.Expression] = []
    if keys.after is not None:
        conditions.append(exp.GT(this=key, expression=exp.convert(keys.after)))
    if keys.upto is not None:
        conditions.append(exp.LTE(this=key.copy(), expression=exp.convert(keys.upto)))
    return conditions
