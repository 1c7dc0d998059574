"""Small pieces of SQL that every query shape is built from; identifiers are always quoted, through the AST.

Internal names start with ``__`` and cannot meet a user's: the spine and the views refuse that prefix.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from featurestore.definitions.durations import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND
from featurestore.definitions.types import is_orderable
from featurestore.errors import UsageError
from featurestore.sql.spelling import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from featurestore.definitions.views import Column, FeatureView
    from featurestore.sql.dialects.table import Dialect

SPINE = "__spine"
SPINE_ROW = "__spine_row"
SPINE_TIME = "__spine_time"
EVENT = "__event"
USABLE = "__usable_from"
FROM_VIEW = "v"
FROM_SPINE = "s"
FROM_MATCH = "m"
_RANK = "__rank"
_RANKED = "r"
_INTERVAL_UNITS = (("DAY", DAY), ("HOUR", HOUR), ("MINUTE", MINUTE), ("SECOND", SECOND))
TYPES = {
    "string": "TEXT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "uuid": "UUID",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamp_s": "TIMESTAMP_S",
    "timestamp_ms": "TIMESTAMP_MS",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamptz": "TIMESTAMPTZ",
}
"""Our types as sqlglot names them; integers and decimals apart."""


def key_name(position: int) -> str:
    """Internal name of the n-th join key of a use."""
    return f"__key_{position}"


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column, of `table` if given."""
    return exp.column(name, table=table, quoted=True)


def alias(value: exp.Expression, name: str) -> exp.Expression:
    """``value AS "name"``."""
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def unaliased(selected: exp.Expression) -> exp.Expression:
    """A selected value without its name."""
    return (selected.this if isinstance(selected, exp.Alias) else selected).copy()


def table(name: str, as_name: str | None = None) -> exp.Table:
    """A quoted table or CTE of ours, under `as_name` if given."""
    return _under(exp.table_(exp.to_identifier(name, quoted=True)), as_name)


def nested(query: exp.Query, as_name: str) -> exp.Subquery:
    """A query in parentheses, under a quoted name."""
    return query.subquery(exp.to_identifier(as_name, quoted=True), copy=False)


def is_given(value: exp.Expression) -> exp.Expression:
    """``value IS NOT NULL``."""
    return exp.Is(this=value.copy(), expression=exp.Not(this=exp.Null()))


def later_of(one: exp.Expression, other: exp.Expression) -> exp.Expression:
    """The greater of two values that are both given."""
    return exp.Anonymous(this="GREATEST", expressions=[one.copy(), other.copy()])


def relation(text: str, dialect: Dialect, as_name: str | None = None) -> exp.Table:
    """A table as dbt renders it, e.g. ``"shop"."main"."orders"``; its own quoting is kept."""
    try:
        made = parse_one(text, into=exp.Table, dialect=dialect.name)
    except SqlglotError as error:
        raise UsageError(f"cannot read the relation name {text!r} as {dialect.name}") from error
    return _under(made, as_name)


def _under(made: exp.Table, as_name: str | None) -> exp.Table:
    if as_name:
        made.set("alias", exp.TableAlias(this=exp.to_identifier(as_name, quoted=True)))
    return made


def interval(microseconds: int) -> exp.Interval:
    """An exact interval in its largest whole unit, up to days (a UTC day has 24 hours)."""
    for unit, size in _INTERVAL_UNITS:
        if microseconds % size == 0:
            return exp.Interval(this=exp.Literal.string(str(microseconds // size)), unit=exp.var(unit))
    unit, size = ("MILLISECOND", MILLISECOND) if microseconds % MILLISECOND == 0 else ("MICROSECOND", MICROSECOND)
    return exp.Interval(this=exp.Literal.string(str(microseconds // size)), unit=exp.var(unit))


def utc(value: exp.Expression, value_type: str, dialect: Dialect) -> exp.Expression:
    """A time as a naive timestamp that reads as UTC, so that no session time zone matters (SEMANTICS P14)."""
    if value_type == "timestamptz":
        return dialect.instant_to_utc(value)
    if value_type == "timestamp":
        return value
    if value_type == "timestamp_ns":
        return dialect.cut_to_microseconds(value)
    return exp.cast(value, exp.DataType.Type.TIMESTAMP)


def utc_column(of: Column, table_name: str, dialect: Dialect) -> exp.Expression:
    """A view's time column as naive UTC."""
    return utc(column(of.name, table_name), of.type, dialect)


def usable_from(view: FeatureView, table_name: str, dialect: Dialect) -> exp.Expression:
    """When a row may first be used: its event time plus the view's delay (SEMANTICS P7)."""
    event = utc_column(view.event_time, table_name, dialect)
    return exp.Add(this=event, expression=interval(view.delay_us)) if view.delay_us else event


def created_utc(view: FeatureView, table_name: str, dialect: Dialect) -> exp.Expression:
    """When a row became known, as naive UTC; NULL for a view that does not say."""
    if view.created_at is None:
        return exp.cast(exp.null(), exp.DataType.Type.TIMESTAMP)
    return utc_column(view.created_at, table_name, dialect)


def newest_first(view: FeatureView, table_name: str, dialect: Dialect) -> list[exp.Ordered]:
    """How ties on the event time are resolved: created time, declared tie-breakers, then the features in order.

    All descending, NULLs last, and each type in one order everywhere (`Dialect.ranks`), so that the answer hangs on
    neither the order of rows nor the database (SEMANTICS P4).
    """
    order = []
    if view.created_at is not None:
        order.append(_descending(utc_column(view.created_at, table_name, dialect)))
    types = {feature.name: feature.type for feature in view.features}
    orderable = [feature.name for feature in view.features if is_orderable(feature.type)]
    for name in dict.fromkeys((*view.tie_breakers, *orderable)):
        ranks = dialect.ranks(column(name, table_name), types.get(name, ""))
        order.extend(_descending(rank) for rank in ranks)
    if len(order) < 2:
        # DuckDB 1.5 turns "the first row by one column" into an aggregate that picks a wrong row when NULLs come first.
        order.append(_descending(utc_column(view.event_time, table_name, dialect)))
    return order


def _descending(value: exp.Expression) -> exp.Ordered:
    return exp.Ordered(this=value, desc=True, nulls_first=False)


def ascending(value: exp.Expression) -> exp.Ordered:
    """Smallest first, said explicitly, since a session may have another default."""
    return exp.Ordered(this=value, desc=False)


def keep_first(
    query: exp.Select, keys: Sequence[exp.Expression], order: Sequence[exp.Ordered], dialect: Dialect
) -> exp.Select:
    """Keep, per `keys`, the first row of `query` in `order`: by QUALIFY, or from a numbered subquery."""
    number = exp.Window(
        this=exp.RowNumber(),
        partition_by=list(keys) or None,
        order=exp.Order(expressions=list(order)),
    )
    if dialect.has_qualify:
        return query.qualify(exp.EQ(this=number, expression=exp.Literal.number(1)), copy=False)
    names = [projection.alias_or_name for projection in query.selects]
    numbered = query.select(alias(number, _RANK), copy=False)
    first = exp.EQ(this=column(_RANK, _RANKED), expression=exp.Literal.number(1))
    return exp.select(*[column(name, _RANKED) for name in names]).from_(nested(numbered, _RANKED)).where(first)


def all_of(conditions: Iterable[exp.Expression]) -> exp.Expression | None:
    """The conditions joined by AND; None when there are none."""
    listed = list(conditions)
    if not listed:
        return None
    joined: exp.Expression = listed[0]
    for condition in listed[1:]:
        joined = exp.And(this=joined, expression=condition)
    return joined


def instant(moment: datetime) -> exp.Expression:
    """A moment as a naive UTC timestamp literal, to the microsecond."""
    naive = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return exp.cast(exp.Literal.string(naive.isoformat(sep=" ")), exp.DataType.Type.TIMESTAMP)


def print_sql(query: exp.Expression, dialect: Dialect, *, pretty: bool = True) -> str:
    """Print one statement, which is used up by it; a construct that the dialect lacks is an error, never dropped."""
    printer = dialect.printer()

    def say(node: exp.Expression) -> str:
        return node.sql(dialect=printer, pretty=pretty, unsupported_level=ErrorLevel.RAISE, copy=False)

    return say(spelled(query, dialect.spellings, say))


def stopped_at(error: SqlglotError) -> str:
    """Say where a parser stopped; sqlglot's own words show its tokens."""
    if not isinstance(error, ParseError) or not error.errors:
        return f": {str(error).splitlines()[0]}"
    first = error.errors[0]
    near = f", near '{first['highlight']}'" if first.get("highlight") else ""
    return f": it stops making sense in line {first['line']}, column {first['col']}{near}"
