"""Databricks: no ASOF, no temporary tables; a naive time is a TIMESTAMP_NTZ, an instant a TIMESTAMP.

Every function that turns one into the other goes through the session's time zone, where an hour in autumn is there
twice. So an instant is counted from 1970 in microseconds, and the count added to a naive 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks

from featurestore.sql.dialects.table import Dialect
from featurestore.sql.spelling import direction, order_in_full, timestamps_as, verbatim

if TYPE_CHECKING:
    from featurestore.sql.spelling import Say

_EPOCH = "1970-01-01 00:00:00"


def _ordered(node: exp.Expression, say: Say) -> exp.Expression:
    """``x DESC NULLS LAST``; ``x ASC`` alone where nothing is said of NULLs, since there are none."""
    if node.args.get("nulls_first") is None:
        return verbatim(f"{say(node.this)} {direction(node)}")
    return order_in_full(node, say)


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    counted = exp.Anonymous(this="UNIX_MICROS", expressions=[value])
    whole = exp.cast(counted, exp.DataType.build("DECIMAL(20, 0)"))
    seconds = exp.cast(
        exp.Mul(this=whole, expression=exp.Literal.number("0.000001")), exp.DataType.build("DECIMAL(18, 6)")
    )
    zero = exp.Literal.number(0)
    since = exp.Anonymous(this="MAKE_DT_INTERVAL", expressions=[zero, zero.copy(), zero.copy(), seconds])
    return exp.paren(exp.Add(this=exp.cast(exp.Literal.string(_EPOCH), exp.DataType.Type.TIMESTAMP), expression=since))


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    since = exp.Anonymous(
        this="TIMESTAMPDIFF",
        expressions=[exp.var("MICROSECOND"), exp.cast(exp.Literal.string(_EPOCH), exp.DataType.Type.TIMESTAMP), value],
    )
    return exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[since])


DATABRICKS = Dialect(
    name="databricks",
    printer=Databricks,
    spellings={**timestamps_as("TIMESTAMP_NTZ"), exp.Ordered: _ordered},
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=True,
    has_temporary_tables=False,
)
