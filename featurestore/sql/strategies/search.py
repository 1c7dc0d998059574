"""One use of a view that is to be looked up for every example: what each strategy is given, and what they share.

An example is known by its row number where the warehouse gives a row the same number twice; elsewhere by its keys and
time, of which equal ones are looked up once (SEMANTICS P1: the result joins them back, so no row is lost or doubled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import (
    EVENT,
    FROM_VIEW,
    SPINE,
    SPINE_ROW,
    SPINE_TIME,
    USABLE,
    alias,
    ascending,
    column,
    created_utc,
    instant,
    interval,
    is_given,
    key_name,
    later_of,
    relation,
    table,
    usable_from,
    utc_column,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The first and the last time of the examples, UTC; None where there is none or no calendar has it."""

    earliest: datetime | None
    latest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a strategy is given.

    Attributes:
        use: the view under the request's rules; its spine keys are spelled as the spine spells them.
        features: which of the view's features are asked for.
        name: of the step that holds the answer.
        dialect: of the warehouse.
        by_row: whether examples are known by their row number, else by keys and time.
        prune: whether rows that no example can see are left out (SEMANTICS P15).
        has_index: whether the view's table has an index on its keys and event time.
        between: from when to when the examples are; None asks the spine. A planner guesses far better from a time that
            is written out: DuckDB takes a comparison with a subquery for one that hardly any row passes.
        text_uuids: names of the spine's keys that are texts where the view has a UUID, as every frame has them.
    """

    use: ViewUse
    features: tuple[str, ...]
    name: str
    dialect: Dialect
    by_row: bool
    prune: bool
    has_index: bool = True
    between: Between | None = None
    text_uuids: frozenset[str] = frozenset()

    @property
    def view(self) -> FeatureView:
        """The definition."""
        return self.use.view

    @property
    def keys(self) -> tuple[str, ...]:
        """Internal names of the join keys."""
        return tuple(key_name(n) for n in range(len(self.use.spine_keys)))

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that tell one example from another in every step of this search."""
        return (SPINE_ROW,) if self.by_row else (*self.keys, SPINE_TIME)

    @property
    def match_name(self) -> str:
        """Name of the step that holds each example's event time."""
        return f"{self.name}__time"

    @property
    def copy_name(self) -> str:
        """Name of the step that holds a copy of the view."""
        return f"{self.name}__copy"

    @property
    def match_columns(self) -> tuple[str, ...]:
        """What that step says of an example, the event time last."""
        knows = (SPINE_TIME,) if self.view.as_of == "knowledge" else ()
        return (*dict.fromkeys((*self.identity, *self.keys, *knows)), EVENT)

    def from_example(self, names: Iterable[str], example: str) -> list[exp.Expression]:
        """Select the columns `names` of an example, whose keys have the spine's names there."""
        spelled = dict(zip(self.keys, self.use.spine_keys, strict=True))
        return [
            alias(column(spelled[name], example), name) if name in spelled else column(name, example) for name in names
        ]

    def same_keys(self, example: str, view: str = FROM_VIEW) -> list[exp.Expression]:
        """``example key = view key``, with the view's keys under their internal names."""
        pairs = zip(self.use.spine_keys, self.keys, strict=True)
        return [column(spine_key, example).eq(column(key, view)) for spine_key, key in pairs]


def examples(search: Search) -> exp.Select:
    """Select what identifies each example that can see anything: its keys and time, and its number if it has one."""
    names = [SPINE_ROW] if search.by_row else []
    names = list(dict.fromkeys((*names, *search.use.spine_keys, SPINE_TIME)))
    chosen = [alias(asked_key(search, name), name) if name in search.text_uuids else column(name) for name in names]
    query = exp.select(*chosen).from_(table(SPINE), copy=False)
    query.where(is_given(column(SPINE_TIME)), copy=False)
    if search.by_row:
        return query
    return query.where(*[is_given(column(name)) for name in dict.fromkeys(search.use.spine_keys)]).distinct()


def asked_key(search: Search, name: str, spine: str | None = None) -> exp.Expression:
    """A key of the spine, a UUID where the view's is one: text has it in more than one spelling (SEMANTICS P2)."""
    key = column(name, spine)
    return exp.cast(key, exp.DataType.Type.UUID) if name in search.text_uuids else key


def usable_rows(search: Search, *, is_running: bool = False) -> exp.Select:
    """Keys and times of a view's rows: from when each is usable, and its event time.

    Args:
        search: of the view.
        is_running: give the greatest event time usable by then instead, so that under knowledge time a row that became
            known late does not hide a newer one that was known before it (SEMANTICS P8).
    """
    view, dialect = search.view, search.dialect
    event = utc_column(view.event_time, FROM_VIEW, dialect)
    usable = usable_from(view, FROM_VIEW, dialect)
    keys = [alias(column(key.name, FROM_VIEW), name) for key, name in zip(view.join_keys, search.keys, strict=True)]
    conditions: list[exp.Expression] = [is_given(column(view.event_time.name, FROM_VIEW))]
    best: exp.Expression = event
    if view.as_of == "knowledge":
        created = created_utc(view, FROM_VIEW, dialect)
        conditions.append(is_given(created))
        usable = later_of(usable, created)
        if is_running:
            best = exp.Window(
                this=exp.Max(this=event),
                partition_by=[column(key.name, FROM_VIEW) for key in view.join_keys] or None,
                order=exp.Order(expressions=[ascending(usable)]),
            )
    if search.prune:
        conditions.extend(in_spine_range(search, event, usable))
    return (
        exp.select(*keys, alias(usable, USABLE), alias(best, EVENT))
        .from_(relation(view.relation, dialect, FROM_VIEW), copy=False)
        .where(*conditions, copy=False)
    )


def in_spine_range(search: Search, event: exp.Expression, usable: exp.Expression) -> list[exp.Expression]:
    """Conditions that no example's row can fail (SEMANTICS P15)."""
    earliest, latest, ttl_us = _earliest(search), _latest(search), search.view.ttl_us
    conditions: list[exp.Expression] = []
    if latest is not None:
        conditions.append(exp.LTE(this=usable.copy(), expression=latest))
    if ttl_us is not None and earliest is not None:
        oldest = exp.Sub(this=earliest, expression=interval(ttl_us))
        conditions.append(exp.GTE(this=event.copy(), expression=oldest))
    return conditions


def _latest(search: Search) -> exp.Expression | None:
    if search.between is None:
        return exp.select(exp.Max(this=column(SPINE_TIME))).from_(table(SPINE)).subquery()
    return None if search.between.latest is None else instant(search.between.latest)


def _earliest(search: Search) -> exp.Expression | None:
    if search.between is None:
        return exp.select(exp.Min(this=column(SPINE_TIME))).from_(table(SPINE)).subquery()
    return None if search.between.earliest is None else instant(search.between.earliest)


def is_usable(search: Search, since: exp.Expression, example: str) -> exp.Expression:
    """``since <= example's time``, or ``<`` where the view's boundary is exclusive (SEMANTICS P2)."""
    before = exp.LT if search.view.boundary == "exclusive" else exp.LTE
    return before(this=since, expression=column(SPINE_TIME, example))


def within_ttl(search: Search, event: exp.Expression, example: str) -> list[exp.Expression]:
    """``event time >= example's time - ttl``, both ends inclusive (SEMANTICS P3); nothing without a ttl."""
    if search.view.ttl_us is None:
        return []
    oldest = exp.Sub(this=column(SPINE_TIME, example), expression=interval(search.view.ttl_us))
    return [exp.GTE(this=event, expression=oldest)]
