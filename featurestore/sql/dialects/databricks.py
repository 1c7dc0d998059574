"""Databricks: no ASOF, no temporary tables; a naive time is a TIMESTAMP_NTZ, an instant a TIMESTAMP.

Every function that turns one into the other goes through the session's time zone, where an hour in autumn is there
twice. So an instant is counted from 1970 in microseconds, and the count added to a naive 1970.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.generators.databricks import DatabricksGenerator

from featurestore.sql.dialects.table import Dialect

_EPOCH = "1970-01-01 00:00:00"


class NaiveGenerator(DatabricksGenerator):
    """sqlglot's printer for Databricks, but for the type of a time and orderings."""

    def datatype_sql(self, expression: exp.DataType) -> str:
        """``TIMESTAMP_NTZ`` where a TIMESTAMP is meant."""
        if expression.this == exp.DataType.Type.TIMESTAMP:
            return "TIMESTAMP_NTZ"
        return super().datatype_sql(expression)

    def ordered_sql(self, expression: exp.Ordered) -> str:
        """``x DESC NULLS LAST``; ``x ASC`` alone where nothing is said of NULLs, since there are none."""
        value = self.sql(expression, "this")
        direction = "DESC" if expression.args.get("desc") else "ASC"
        nulls_first = expression.args.get("nulls_first")
        return f"{value} {direction}" + ("" if nulls_first is None else f" NULLS {'FIRST' if nulls_first else 'LAST'}")


class NaiveDatabricks(Databricks):
    """sqlglot's Databricks with that printer."""

    Generator = NaiveGenerator


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
    printer=NaiveDatabricks,
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=True,
    has_temporary_tables=False,
)
