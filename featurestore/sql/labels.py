"""Labels in SQL: NULL where they are not known by the cutoff, and last in the result.

Shape: ``select <spine columns, labels guarded>, label_known from (<the spine's own SELECT>)``. The steps that look for
features read keys and times of the examples, so no label takes part in them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.definitions.durations import DAY, format_duration
from featurestore.definitions.labels import LABEL_KNOWN
from featurestore.definitions.views import Column
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import alias, column, instant, interval, nested, print_sql, utc_column
from featurestore.sql.spine import parse_spine

if TYPE_CHECKING:
    from featurestore.definitions.labels import Labels
    from featurestore.definitions.spine import Spine
    from featurestore.sql.dialects.table import Dialect
    from featurestore.sql.plan import Plan

_FROM = "examples"


def labelled(spine: Spine, labels: Labels, *, dialect: str) -> Spine:
    """Guard the labels of a spine by their cutoff.

    Args:
        spine: the examples.
        labels: as `definitions.labels.labels_of` found them.
        dialect: sqlglot's name, of the spine's SQL too.

    Returns:
        The spine with labels that are NULL where they are not known, and the boolean column ``label_known`` more; with
        ``unlabelled: drop`` only the rows whose labels are known. The same spine where nothing says when they are.
    """
    if labels.cutoff is None:
        return spine
    target = dialect_named(dialect)
    is_known = _is_known(spine, labels, labels.cutoff, target)
    columns = [
        alias(exp.Case(ifs=[exp.If(this=is_known.copy(), true=column(it.name, _FROM))]), it.name)
        if it.name in labels.names
        else column(it.name, _FROM)
        for it in spine.columns
    ]
    known = exp.Case(ifs=[exp.If(this=is_known.copy(), true=exp.true())], default=exp.false())
    query = exp.select(*columns, alias(known, LABEL_KNOWN)).from_(nested(parse_spine(spine.sql, dialect), _FROM))
    if labels.unlabelled == "drop":
        query = query.where(is_known, copy=False)
    query.add_comments([f" {_rule(labels, labels.cutoff)} "])
    added = Column(name=LABEL_KNOWN, type="boolean")
    return replace(spine, sql=print_sql(query, target), columns=(*spine.columns, added), dialect=dialect)


def label_counts(spine: Spine, labels: Labels, *, dialect: str) -> str | None:
    """Write the query that counts the examples whose labels cannot be right.

    Returns:
        One SELECT of one row: ``early``, labels known before the example's time; ``unknown``, labels not known by the
        cutoff. None where nothing says when labels are known.
    """
    if labels.cutoff is None:
        return None
    target = dialect_named(dialect)
    unknown = exp.Not(this=exp.paren(exp.Coalesce(this=_is_known(spine, labels, labels.cutoff, target),
                                                  expressions=[exp.false()])))  # fmt: skip
    query = exp.select(
        alias(_count_where(_is_early(spine, labels, target)), "early"), alias(_count_where(unknown), "unknown")
    ).from_(nested(parse_spine(spine.sql, dialect), _FROM))
    return print_sql(query, target)


def labels_last(plan: Plan, labels: Labels) -> Plan:
    """Move the labels, and what says when they are known, behind the features."""
    last = {name: position for position, name in enumerate(labels.columns)}
    result = plan.result.copy()
    order = sorted(result.selects, key=lambda projection: last.get(projection.alias_or_name, -1))
    result.set("expressions", order)
    return replace(plan, result=result)


def _is_known(spine: Spine, labels: Labels, cutoff: datetime, dialect: Dialect) -> exp.Expression:
    """``known at <= cutoff``; a horizon is taken from the cutoff, so that SQL has no arithmetic to do."""
    if labels.at is None:
        time = utc_column(spine.column(spine.time), _FROM, dialect)
        return exp.LTE(this=time, expression=instant(_earlier(cutoff, labels.horizon_us or 0)))
    at = spine.column(labels.at)
    bound = instant(_earlier(cutoff, _day_of(at)))
    return exp.LTE(this=utc_column(at, _FROM, dialect), expression=bound)


def _is_early(spine: Spine, labels: Labels, dialect: Dialect) -> exp.Expression:
    """``known at < time``, which is a leak or two columns mixed up."""
    if labels.at is None:
        return exp.false()
    at = spine.column(labels.at)
    time = utc_column(spine.column(spine.time), _FROM, dialect)
    if _day_of(at):
        time = exp.Sub(this=time, expression=interval(_day_of(at)))
    return exp.LT(this=utc_column(at, _FROM, dialect), expression=time)


def _day_of(at: Column) -> int:
    """What is dated a day is known when the day is over, as in SEMANTICS P7; microseconds."""
    return DAY if at.type == "date" else 0


def _rule(labels: Labels, cutoff: datetime) -> str:
    """What becomes of the labels, for the reader of the SQL."""
    when = "label_at" if labels.at else f"{format_duration(labels.horizon_us or 0)} after the example's time"
    unknown = "examples whose labels are not known are left out" if labels.unlabelled == "drop" else "else NULL"
    return f"labels as known by {cutoff.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC, each from {when} on; {unknown}"


def _earlier(moment: datetime, microseconds: int) -> datetime:
    try:
        return moment - timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=timezone.utc)


def _count_where(condition: exp.Expression) -> exp.Expression:
    return exp.Count(this=exp.Case(ifs=[exp.If(this=condition, true=exp.Literal.number(1))]))
