"""The rows that could have answered one example: the one taken, and the nearest of those that were not.

Shape: ``one example -> rows with its keys -> each in one of three groups -> of each group the first few``.
Rows in play may be taken and the first of them is (SEMANTICS P4); passed rows had come true but are too old or over
(P3, P9); later rows were not usable by the example's time (P2, P7, P8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.definitions.types import INTEGERS, is_orderable
from featurestore.errors import UsageError
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import (
    EVENT,
    FROM_SPINE,
    FROM_VIEW,
    SPINE,
    SPINE_TIME,
    TYPES,
    alias,
    all_of,
    ascending,
    column,
    created_utc,
    instant,
    interval,
    is_given,
    later_of,
    nested,
    newest_first,
    print_sql,
    relation,
    table,
    usable_from,
    utc,
    utc_column,
)
from featurestore.sql.plan import Plan, Step
from featurestore.sql.spine import parse_spine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect

IN_PLAY, PASSED, LATER = 0, 1, 2
GROUP, OF_GROUP = "__group", "__of_group"
CREATED, USABLE, ENDS = "__created", "__usable_from", "__valid_to"
_ROWS, _GROUPED, _COUNTS = "__rows", "__grouped", "__counts"
_LONGEST_BIGINT = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValue:
    """One join key of an example.

    Attributes:
        name: the spine's column.
        type: in our vocabulary; the key is compared as this.
        text: its value as SQL writes it between quotes.
    """

    name: str
    type: str
    text: str


def candidates_plan(
    use: ViewUse,
    features: Sequence[str],
    example: tuple[Sequence[KeyValue], datetime],
    *,
    limit: int,
    dialect: str = "duckdb",
) -> Plan:
    """Plan the SELECT of the rows of a view that lie nearest to one example.

    Args:
        use: the view, with its own or the request's `as_of`, and how it is keyed.
        features: the columns that are asked for.
        example: its keys, none of them NULL, and its time, UTC.
        limit: how many rows of each group, besides the one that is taken.
        dialect: sqlglot's name of the warehouse.

    Returns:
        A plan of one SELECT. Rows: at most ``3 * limit + 1``, those in play first, newest first (P4); then the passed
        ones, newest first; then the later ones, soonest usable first. Columns: ``__group``, ``__of_group`` (how many
        rows the group has), ``__event``, ``__created``, ``__usable_from``, ``__valid_to`` (naive UTC), then
        `candidate_columns`.

    Raises:
        UsageError: no SQL is written for `dialect`, or for a key of this type.
    """
    target = dialect_named(dialect)
    view = use.view
    names = candidate_columns(view, features)
    counts = (
        exp.select(column(GROUP), alias(exp.Count(this=exp.Star()), OF_GROUP))
        .from_(table(_GROUPED))
        .group_by(column(GROUP))
    )
    steps = [
        Step(name=SPINE, comment="the example, its time in UTC", query=_example(*example)),
        Step(
            name=_ROWS,
            comment=f"P2: {use.name}: the rows with the example's keys, and from when each is usable",
            query=_rows(use, names, target),
        ),
        Step(name=_GROUPED, comment=_group_comment(view), query=_grouped(view), is_stored=True),
        Step(name=_COUNTS, comment="how many rows each group has", query=counts),
    ]
    first = _first_of_each(view, limit, target)
    candidates = exp.union(*[exp.select("*").from_(table(step.name)) for step in first], distinct=False)
    result = (
        exp.select(
            column(GROUP, "c"),
            column(OF_GROUP, "n"),
            *[column(name, "c") for name in (EVENT, CREATED, USABLE, ENDS, *names)],
        )
        .from_(nested(candidates, "c"))
        .join(table(_COUNTS, "n"), on=column(GROUP, "n").eq(column(GROUP, "c")))
        .order_by(ascending(column(GROUP, "c")), _soonest("c"), *_newest(view, "c", target))
    )
    return Plan(dialect=target, steps=(*steps, *first), result=result)


def candidate_columns(view: FeatureView, features: Sequence[str]) -> tuple[str, ...]:
    """Columns of a candidate, each once: what was asked, and what its place among equal times hangs on (P4)."""
    created = () if view.created_at is None else (view.created_at.name,)
    return tuple(dict.fromkeys((*features, view.event_time.name, *created, *tie_columns(view))))


def tie_columns(view: FeatureView) -> tuple[str, ...]:
    """Columns that settle ties of event and created time, in their order (P4)."""
    orderable = (feature.name for feature in view.features if is_orderable(feature.type))
    return tuple(dict.fromkeys((*view.tie_breakers, *orderable)))


def example_query(spine: Spine, row: int, *, dialect: str) -> str:
    """Write the SELECT of one row of a spine, counted from 0 in the order the warehouse gives them.

    Returns:
        One SELECT of one row, none if there are fewer. Columns: the spine's, then ``__spine_time``, naive UTC.
    """
    target = dialect_named(dialect)
    time = spine.column(spine.time)
    columns = [column(name, "spine") for name in spine.output_columns]
    at = alias(utc(column(time.name, "spine"), time.type, target), SPINE_TIME)
    query = parse_spine(spine.sql, spine.dialect or target.name)
    return print_sql(exp.select(*columns, at).from_(nested(query, "spine")).limit(1).offset(row), target)


def count_query(spine: Spine, *, dialect: str) -> str:
    """Write the SELECT that counts a spine's rows."""
    target = dialect_named(dialect)
    query = parse_spine(spine.sql, spine.dialect or target.name)
    return print_sql(exp.select(alias(exp.Count(this=exp.Star()), "rows")).from_(nested(query, "spine")), target)


def _example(keys: Sequence[KeyValue], at: datetime) -> exp.Select:
    values = {key.name: alias(_literal(key), key.name) for key in keys}
    return exp.select(*values.values(), alias(instant(at), SPINE_TIME))


def _literal(key: KeyValue) -> exp.Expression:
    if key.type in INTEGERS:
        digits = key.text.lstrip("-")
        whole = exp.DataType.build("BIGINT" if len(digits) <= _LONGEST_BIGINT else "DECIMAL(38, 0)")
        return exp.cast(exp.Literal.number(key.text), whole)
    if key.type.startswith("decimal("):
        return exp.cast(exp.Literal.string(key.text), exp.DataType.build(key.type.upper()))
    if key.type not in TYPES:
        raise UsageError(f"a row cannot be explained by its key '{key.name}' of type {key.type}")
    return exp.cast(exp.Literal.string(key.text), exp.DataType.build(TYPES[key.type], dialect="duckdb"))


def _rows(use: ViewUse, names: Sequence[str], dialect: Dialect) -> exp.Select:
    view = use.view
    created = created_utc(view, FROM_VIEW, dialect)
    usable = usable_from(view, FROM_VIEW, dialect)
    if view.as_of == "knowledge":  # GREATEST leaves a NULL out; a row with one of the two unknown is never usable (P8)
        is_dated = exp.and_(is_given(column(view.event_time.name, FROM_VIEW)), is_given(created))
        usable = exp.case().when(is_dated, later_of(usable, created))
    ends: exp.Expression = exp.cast(exp.null(), exp.DataType.Type.TIMESTAMP)
    if view.valid_to is not None:
        ends = utc_column(view.valid_to, FROM_VIEW, dialect)
    same_keys = all_of(
        column(key.name, FROM_VIEW).eq(column(spine_key, FROM_SPINE))
        for key, spine_key in zip(view.join_keys, use.spine_keys, strict=True)
    )
    query = exp.select(
        column(SPINE_TIME, FROM_SPINE),
        alias(utc_column(view.event_time, FROM_VIEW, dialect), EVENT),
        alias(created, CREATED),
        alias(usable, USABLE),
        alias(ends, ENDS),
        *[column(name, FROM_VIEW) for name in names],
    ).from_(table(SPINE, FROM_SPINE))
    source = relation(view.relation, dialect, FROM_VIEW)
    return query.join(source, join_type="cross") if same_keys is None else query.join(source, on=same_keys)


def _group_comment(view: FeatureView) -> str:
    lives = [*(["P3"] if view.ttl_us is not None else []), *(["P9"] if view.valid_to is not None else [])]
    passed = f"; {PASSED}: too old or over ({', '.join(lives)})" if lives else ""
    return f"{IN_PLAY}: may be taken{passed}; {LATER}: not usable by then (P2, P7, P8)"


def _grouped(view: FeatureView) -> exp.Select:
    """Say for each row whether it was usable, and then whether it was neither too old nor over (P2, P3, P7-P9)."""
    time, event, ends = (column(name, "r") for name in (SPINE_TIME, EVENT, ENDS))
    before = exp.LT if view.boundary == "exclusive" else exp.LTE
    is_usable = before(this=column(USABLE, "r"), expression=time)
    lives: list[exp.Expression] = []
    if view.ttl_us is not None:
        lives.append(exp.GTE(this=event, expression=exp.Sub(this=time.copy(), expression=interval(view.ttl_us))))
    if view.valid_to is not None:
        lives.append(exp.paren(exp.or_(ends.is_(exp.null()), exp.LT(this=time.copy(), expression=ends.copy()))))
    in_play = all_of([is_usable, *lives])
    assert in_play is not None
    group = exp.case().when(in_play, str(IN_PLAY))
    if lives:
        group = group.when(is_usable.copy(), str(PASSED))
    everything = exp.Column(this=exp.Star(), table=exp.to_identifier("r", quoted=True))
    return exp.select(everything, alias(group.else_(str(LATER)), GROUP)).from_(table(_ROWS, "r"))


def _first_of_each(view: FeatureView, limit: int, dialect: Dialect) -> list[Step]:
    can_pass = view.ttl_us is not None or view.valid_to is not None
    groups = (
        (IN_PLAY, "__in_play", limit + 1, "P4: the newest of those that may be taken; the first one is"),
        *([(PASSED, "__passed", limit, "the newest of those that are too old or over")] if can_pass else []),
        (LATER, "__later", limit, "the soonest usable of those that were not yet"),
    )
    steps = []
    for group, name, number, comment in groups:
        soonest = [_nulls_last(column(USABLE, "g"))] if group == LATER else []
        query = (
            exp.select("*")
            .from_(table(_GROUPED, "g"))
            .where(column(GROUP, "g").eq(exp.Literal.number(group)))
            .order_by(*soonest, *_newest(view, "g", dialect))
            .limit(number)
        )
        steps.append(Step(name=name, comment=comment, query=query))
    return steps


def _soonest(table_name: str) -> exp.Ordered:
    """Of the later rows, the one that becomes usable first; says nothing about others."""
    is_later = column(GROUP, table_name).eq(exp.Literal.number(LATER))
    return _nulls_last(exp.case().when(is_later, column(USABLE, table_name)))


def _nulls_last(value: exp.Expression) -> exp.Ordered:
    return exp.Ordered(this=value, desc=False, nulls_first=False)


def _newest(view: FeatureView, table_name: str, dialect: Dialect) -> list[exp.Ordered]:
    """The order in which rows are taken (P4)."""
    event = exp.Ordered(this=column(EVENT, table_name), desc=True, nulls_first=False)
    return [event, *newest_first(view, table_name, dialect)]
