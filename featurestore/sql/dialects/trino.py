"""Trino: no ASOF that all versions have, no temporary tables; times have six digits, which it has to be told.

Its intervals count milliseconds: a ttl or a delay of microseconds cannot be said, and is refused.
"""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.generators.trino import TrinoGenerator

from featurestore.errors import UsageError
from featurestore.sql.dialects.table import Dialect


class MicrosecondGenerator(TrinoGenerator):
    """sqlglot's printer for Trino, but for the type of a time and short intervals."""

    def datatype_sql(self, expression: exp.DataType) -> str:
        """``TIMESTAMP(6)`` where a TIMESTAMP is meant; bare, it has three digits."""
        if expression.this == exp.DataType.Type.TIMESTAMP:
            return "TIMESTAMP(6)"
        return super().datatype_sql(expression)

    def interval_sql(self, expression: exp.Interval) -> str:
        """``INTERVAL '0.25' SECOND`` for 250 milliseconds."""
        unit = expression.text("unit").upper()
        if unit == "MICROSECOND":
            raise UsageError(
                f"Trino has no interval of {expression.this.name} microseconds", hint="give whole milliseconds"
            )
        if unit == "MILLISECOND":
            return f"INTERVAL '{Decimal(expression.this.name) / 1000:f}' SECOND"
        return super().interval_sql(expression)


class MicrosecondTrino(Trino):
    """sqlglot's Trino with that printer."""

    Generator = MicrosecondGenerator


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    """Shown in UTC, then without its zone."""
    shown = exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))
    return exp.cast(shown, exp.DataType.Type.TIMESTAMP)


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="WITH_TIMEZONE", expressions=[value, exp.Literal.string("UTC")])


TRINO = Dialect(
    name="trino",
    printer=MicrosecondTrino,
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=False,
    has_temporary_tables=False,
)
