"""A part of a spine in SQL: the latest few examples, or those that a hash of keys, time and seed chooses.

The hash is MD5 of text and of whole microseconds, which every warehouse computes alike: the same examples are chosen on
a re-run, in a file and in a table, for other features of the same entities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.definitions.types import TIMES, is_orderable
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import ascending, column, nested, print_sql, utc_column
from featurestore.sql.spine import parse_spine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.part import Part
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import Column
    from featurestore.sql.dialects.table import Dialect

_FROM = "examples"
_HEX_DIGITS = 8


def part_of(spine: Spine, part: Part, keys: Sequence[str], *, dialect: str) -> Spine:
    """Take a part of the examples.

    Args:
        spine: the examples.
        part: which; a part of them, or the same rows when there are fewer.
        keys: the join keys, whose values with the time say whether an example is in a sample.
        dialect: sqlglot's name, of the spine's SQL too.

    Returns:
        A spine of the same columns. Equal examples of a share are all in it or none.
    """
    target = dialect_named(dialect)
    columns = [column(it.name, _FROM) for it in spine.columns]
    query = exp.select(*columns).from_(nested(parse_spine(spine.sql, dialect), _FROM))
    query.add_comments([f" {_rule(part)} "])
    chance = _chance(spine, part.seed, keys, target)
    if part.sample_percent is not None:
        first = exp.Substring(this=chance, start=exp.Literal.number(1), length=exp.Literal.number(_HEX_DIGITS))
        if part.sample_percent < 100:
            bound = format(int(part.sample_percent * 16**_HEX_DIGITS / 100), f"0{_HEX_DIGITS}x")
            query = query.where(exp.LT(this=first, expression=exp.Literal.string(bound)), copy=False)
        return replace(spine, sql=print_sql(query, target), dialect=dialect)
    latest = exp.Ordered(this=utc_column(spine.column(spine.time), _FROM, target), desc=True, nulls_first=False)
    order = latest if part.sample_rows is None else ascending(chance)
    # What decides between equals: every column that has an order, so that the part is the same however rows lie.
    rest = [ascending(column(it.name, _FROM)) for it in spine.columns if is_orderable(it.type)]
    query = query.order_by(order, *rest, copy=False).limit(part.limit or part.sample_rows or 0, copy=False)
    return replace(spine, sql=print_sql(query, target), dialect=dialect)


def _rule(part: Part) -> str:
    """Which part it is, for the reader of the SQL."""
    if part.limit is not None:
        return f"the latest {part.limit} examples"
    of = f"{part.sample_percent:g}%" if part.sample_percent is not None else str(part.sample_rows)
    return f"a sample of {of}: the lowest hashes of seed {part.seed}, join keys and time"


def _chance(spine: Spine, seed: int, keys: Sequence[str], dialect: Dialect) -> exp.Expression:
    """MD5, in hex, of ``seed|key|...|time``; a NULL is empty."""
    named = sorted({spine.column(key).name: spine.column(key) for key in keys}.values(), key=lambda it: it.name)
    text: exp.Expression = exp.Literal.string(str(seed))
    for each in (*named, spine.column(spine.time)):
        value = exp.Coalesce(this=_text(each, dialect), expressions=[exp.Literal.string("")])
        text = exp.DPipe(this=exp.DPipe(this=text, expression=exp.Literal.string("|")), expression=value)
    return exp.MD5(this=text)


def _text(of: Column, dialect: Dialect) -> exp.Expression:
    """A value as text that hangs on no setting: a time as whole microseconds since 1970."""
    if of.type not in TIMES:
        return exp.cast(column(of.name, _FROM), exp.DataType.Type.TEXT)
    since = exp.cast(exp.Literal.string("1970-01-01 00:00:00"), exp.DataType.Type.TIMESTAMP)
    count = exp.DateDiff(this=utc_column(of, _FROM, dialect), expression=since, unit=exp.var("MICROSECOND"))
    return exp.cast(count, exp.DataType.Type.TEXT)
