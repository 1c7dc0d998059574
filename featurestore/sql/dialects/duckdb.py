"""DuckDB: native ASOF; ``AT TIME ZONE`` on an instant gives the naive time there.

A session may set another order and another place for NULLs, so every ordering is written out in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from featurestore.sql.dialects.table import Asof, Cost, Dialect, as_timestamp, enums_as_texts
from featurestore.sql.spelling import order_in_full

if TYPE_CHECKING:
    from collections.abc import Sequence


def in_utc(value: exp.Expression) -> exp.Expression:
    """``x AT TIME ZONE 'UTC'``: an instant becomes naive, a naive time an instant."""
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


def _cut_to_microseconds(time: exp.Expression) -> exp.Expression:
    """Whole microseconds since 1970, which a cast would round; infinity stays what it is."""
    nanoseconds = exp.Anonymous(this="EPOCH_NS", expressions=[time])
    thousand = exp.Literal.number(1000)
    rest = exp.Mod(this=nanoseconds.copy(), expression=thousand.copy())
    is_rounded_up = exp.LT(this=rest, expression=exp.Literal.number(0))  # // rounds towards 1970
    to_floor = exp.case().when(is_rounded_up, "1").else_("0")
    whole = exp.Sub(this=exp.IntDiv(this=nanoseconds, expression=thousand), expression=to_floor)
    as_it_is = as_timestamp(time.copy())
    is_finite = exp.Anonymous(this="ISFINITE", expressions=[as_it_is.copy()])
    return exp.case().when(is_finite, exp.Anonymous(this="MAKE_TIMESTAMP", expressions=[whole])).else_(as_it_is)


def _asof(right: exp.Expression, equal: Sequence[exp.Expression], is_usable: exp.Expression) -> exp.Join:
    return exp.Join(this=right, method="ASOF", on=exp.and_(*equal, is_usable))


def _bucket(time: exp.Expression, length_us: int) -> exp.Expression:
    """Whole lengths since 1970; infinity has no number, so it shares one bucket with others."""
    microseconds = exp.Anonymous(this="EPOCH_US", expressions=[time])
    number = exp.IntDiv(this=microseconds, expression=exp.Literal.number(length_us))
    return exp.Coalesce(this=number, expressions=[exp.Literal.number(0)])


DUCKDB = Dialect(
    name="duckdb",
    printer=DuckDB,
    spellings={exp.Ordered: order_in_full},
    strategies=("asof", "range_argmax", "lateral", "union_first"),
    costs={
        "asof": Cost(row_ns=240, example_ns=240),
        "range_argmax": Cost(row_ns=70, example_ns=300, candidate_ns=70),
    },
    instant_to_utc=in_utc,
    utc_to_instant=in_utc,
    cut_to_microseconds=_cut_to_microseconds,
    has_qualify=True,
    has_any_value=True,
    has_stable_rows=True,
    says_materialized=True,
    asof=Asof(join=_asof),
    ranks=enums_as_texts,
    bucket=_bucket,
)
