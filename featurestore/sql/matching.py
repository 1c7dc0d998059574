"""For each example, which event time of a view it sees: the greatest one usable by then.

Shape: ``spine rows + view (keys, times) -> (spine row, keys, spine time, event time)``; at most one row per
example. Only keys and times move here; the wide columns are fetched for the winners alone (`winners`).
Two lowerings of one rule (SEMANTICS P2, P3, P7, P8):
``asof`` where the warehouse has it, else a running maximum over the union of both sides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import UsageError
from featurestore.sql.expressions import (
    EVENT,
    FROM_SPINE,
    FROM_VIEW,
    SPINE,
    SPINE_ROW,
    SPINE_TIME,
    alias,
    all_of,
    ascending,
    column,
    created_utc,
    interval,
    is_given,
    later_of,
    nested,
    relation,
    table,
    usable_from,
    utc_column,
)

if TYPE_CHECKING:
    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import AsOf, FeatureView
    from featurestore.sql.dialects.table import Dialect
    from featurestore.sql.plan import Retrieval

USABLE = "__usable_from"
_SIDE = "__side"
_FEATURE_SIDE = 0


def key_name(position: int) -> str:
    """Internal name of the n-th join key of a use."""
    return f"__key_{position}"


def match_query(use: ViewUse, dialect: Dialect, options: Retrieval) -> exp.Select:
    """Write the matching of one use of a view, in the asked lowering, else the dialect's best.

    Raises:
        UsageError: ASOF is asked of a dialect that has none.
    """
    rows = _usable_rows(use.view, dialect, prune=options.prune)
    strategy = options.strategy or ("asof" if dialect.has_asof else "running_maximum")
    if strategy == "running_maximum":
        return _running_maximum(use, rows)
    if not dialect.has_asof:
        raise UsageError(f"{dialect.name} has no ASOF join", hint="leave the strategy out")
    return _asof(use, rows)


def _usable_rows(view: FeatureView, dialect: Dialect, *, prune: bool) -> exp.Select:
    """Keys and times of a view's rows: from when each is usable, and the greatest event time usable by then."""
    event = utc_column(view.event_time, FROM_VIEW, dialect)
    usable = usable_from(view, FROM_VIEW, dialect)
    keys = [alias(column(key.name, FROM_VIEW), key_name(n)) for n, key in enumerate(view.join_keys)]
    conditions: list[exp.Expression] = [is_given(column(view.event_time.name, FROM_VIEW))]
    best: exp.Expression = event
    if view.as_of == "knowledge":
        created = created_utc(view, FROM_VIEW, dialect)
        conditions.append(is_given(created))
        usable = later_of(usable, created)
        # A row that became known late must not hide a newer one that was known before it.
        best = exp.Window(
            this=exp.Max(this=event),
            partition_by=[column(key.name, FROM_VIEW) for key in view.join_keys] or None,
            order=exp.Order(expressions=[ascending(usable)]),
        )
    if prune:
        conditions.extend(_in_spine_range(view, event, usable))
    return (
        exp.select(*keys, alias(usable, USABLE), alias(best, EVENT))
        .from_(relation(view.relation, dialect, FROM_VIEW))
        .where(*conditions)
    )


def _in_spine_range(view: FeatureView, event: exp.Expression, usable: exp.Expression) -> list[exp.Expression]:
    """Conditions that no example's row can fail (SEMANTICS P15)."""
    latest = exp.select(exp.Max(this=column(SPINE_TIME))).from_(table(SPINE)).subquery()
    conditions: list[exp.Expression] = [exp.LTE(this=usable.copy(), expression=latest)]
    if view.ttl_us is not None:
        earliest = exp.select(exp.Min(this=column(SPINE_TIME))).from_(table(SPINE)).subquery()
        oldest = exp.Sub(this=earliest, expression=interval(view.ttl_us))
        conditions.append(exp.GTE(this=event.copy(), expression=oldest))
    return conditions


def _asof(use: ViewUse, rows: exp.Select) -> exp.Select:
    """Native ASOF; examples without a time are left out, since some engines match them."""
    time = column(SPINE_TIME, FROM_SPINE)
    usable = column(USABLE, FROM_VIEW)
    before = exp.GT if use.view.boundary == "exclusive" else exp.GTE
    conditions: list[exp.Expression] = [
        column(spine_key, FROM_SPINE).eq(column(key_name(n), FROM_VIEW)) for n, spine_key in enumerate(use.spine_keys)
    ]
    conditions.append(before(this=time.copy(), expression=usable))
    examples = exp.select("*").from_(table(SPINE)).where(is_given(column(SPINE_TIME)))
    join = exp.Join(this=nested(rows, FROM_VIEW), method="ASOF", on=all_of(conditions))
    query = exp.select(*_matched_columns(use, FROM_SPINE, FROM_VIEW)).from_(nested(examples, FROM_SPINE))
    query.append("joins", join)
    return query.where(*_within_ttl(use.view, FROM_SPINE, FROM_VIEW))


def _running_maximum(use: ViewUse, rows: exp.Select) -> exp.Select:
    """Portable: both sides in one timeline per key, and the greatest event time so far at each example."""
    names = [key_name(n) for n in range(len(use.spine_keys))]
    is_exclusive = use.view.boundary == "exclusive"
    feature_side = 1 if is_exclusive else _FEATURE_SIDE
    features = exp.select(
        alias(exp.cast(exp.null(), exp.DataType.Type.BIGINT), SPINE_ROW),
        *[column(name, FROM_VIEW) for name in names],
        alias(column(USABLE, FROM_VIEW), SPINE_TIME),
        column(EVENT, FROM_VIEW),
        alias(exp.Literal.number(feature_side), _SIDE),
    ).from_(nested(rows, FROM_VIEW))
    examples = (
        exp.select(
            column(SPINE_ROW),
            *[alias(column(key), name) for key, name in zip(use.spine_keys, names, strict=True)],
            column(SPINE_TIME),
            alias(exp.cast(exp.null(), exp.DataType.Type.TIMESTAMP), EVENT),
            alias(exp.Literal.number(1 - feature_side), _SIDE),
        )
        .from_(table(SPINE))
        .where(is_given(column(SPINE_TIME)))
    )
    so_far = exp.Window(
        this=exp.Max(this=column(EVENT, "t")),
        partition_by=[column(name, "t") for name in names] or None,
        order=exp.Order(expressions=[ascending(column(SPINE_TIME, "t")), ascending(column(_SIDE, "t"))]),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )
    timeline = exp.select(
        column(SPINE_ROW, "t"),
        *[column(name, "t") for name in names],
        column(SPINE_TIME, "t"),
        alias(so_far, EVENT),
    ).from_(nested(exp.union(features, examples, distinct=False), "t"))
    return (
        exp.select(*[column(name, FROM_VIEW) for name in (SPINE_ROW, *names, SPINE_TIME, EVENT)])
        .from_(nested(timeline, FROM_VIEW))
        .where(
            is_given(column(SPINE_ROW, FROM_VIEW)),
            is_given(column(EVENT, FROM_VIEW)),
            *_within_ttl(use.view, FROM_VIEW, FROM_VIEW),
        )
    )


def _matched_columns(use: ViewUse, spine: str, view: str) -> list[exp.Expression]:
    keys = [column(key_name(n), view) for n in range(len(use.spine_keys))]
    return [column(SPINE_ROW, spine), *keys, column(SPINE_TIME, spine), column(EVENT, view)]


def _within_ttl(view: FeatureView, spine: str, matched: str) -> list[exp.Expression]:
    """``event time >= spine time - ttl``, both ends inclusive (SEMANTICS P3)."""
    if view.ttl_us is None:
        return []
    oldest = exp.Sub(this=column(SPINE_TIME, spine), expression=interval(view.ttl_us))
    return [exp.GTE(this=column(EVENT, matched), expression=oldest)]


def with_as_of(view: FeatureView, as_of: AsOf | None) -> FeatureView:
    """The view under a request's own rule of knowledge (SEMANTICS P8).

    Raises:
        UsageError: knowledge time is asked of a view that has no created time.
    """
    if as_of == "knowledge" and view.created_at is None:
        raise UsageError(
            f"as_of: knowledge needs a created time, which {view.reference} does not have",
            hint="declare created_at in its metadata, or ask as_of: event",
        )
    return view if as_of is None else replace(view, as_of=as_of)
