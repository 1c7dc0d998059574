"""Spark: its TIMESTAMP is an instant, so every naive time is written TIMESTAMP_NTZ.

Casts between the two go through the session's time zone, and so do ``from_utc_timestamp`` and its kin, which shift one
instant to another. Counting microseconds from 1970 is exact wherever the session is (SEMANTICS P14).

A step is read as often as it is named, and numbering rows would sort them all in one place: examples are known by keys
and time. ASOF came with 4.3, behind a setting that the connection tries; what it lacks then goes by ``union_first``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from featurestore.sql.dialects.table import Asof, Dialect
from featurestore.sql.spelling import order_in_full, timestamps_as

if TYPE_CHECKING:
    from collections.abc import Sequence


def _epoch() -> exp.Expression:
    return exp.cast(exp.Literal.string("1970-01-01 00:00:00"), exp.DataType.Type.TIMESTAMP)


def _microseconds(time: exp.Expression) -> exp.Expression:
    """Microseconds from 1970 to a naive time."""
    return exp.Anonymous(this="TIMESTAMPDIFF", expressions=[exp.var("MICROSECOND"), _epoch(), time])


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    """1970, and as many microseconds as the instant counts."""
    one = exp.Interval(this=exp.Literal.string("0.000001"), unit=exp.var("SECOND"))
    since = exp.Mul(this=one, expression=exp.Anonymous(this="UNIX_MICROS", expressions=[value]))
    return exp.paren(exp.Add(this=_epoch(), expression=since))


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[_microseconds(value)])


def _asof(right: exp.Expression, equal: Sequence[exp.Expression], is_usable: exp.Expression) -> exp.Join:
    return exp.Join(this=right, kind="ASOF", match_condition=is_usable, on=exp.and_(*equal))


def _bucket(time: exp.Expression, length_us: int) -> exp.Expression:
    return exp.IntDiv(this=_microseconds(time), expression=exp.Literal.number(length_us))


def _cached(name: str, query: exp.Query) -> list[exp.Expression]:
    """``CACHE TABLE name AS query``: a temporary view whose rows the workers keep; there are no temporary tables."""
    return [exp.Cache(this=exp.table_(exp.to_identifier(name, quoted=True)), expression=query)]


SPARK = Dialect(
    name="spark",
    printer=Spark,
    spellings={**timestamps_as("TIMESTAMP_NTZ"), exp.Ordered: order_in_full},
    strategies=("asof", "union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=False,
    has_any_value=True,
    store=_cached,
    asof=Asof(join=_asof, needs_key=True),
    bucket=_bucket,
)
