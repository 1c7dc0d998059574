"""Trino: no ASOF that all versions have, no temporary tables; times have six digits, which it has to be told.

Its intervals count milliseconds: a ttl or a delay of microseconds cannot be said, and is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.trino import Trino

from featurestore.errors import UsageError
from featurestore.sql.dialects.table import Dialect
from featurestore.sql.spelling import timestamps_as, verbatim

if TYPE_CHECKING:
    from featurestore.sql.spelling import Say


def _interval(node: exp.Expression, _: Say) -> exp.Expression | None:
    """``INTERVAL '0.25' SECOND`` for 250 milliseconds."""
    unit = node.text("unit").upper()
    if unit == "MICROSECOND":
        raise UsageError(f"Trino has no interval of {node.this.name} microseconds", hint="give whole milliseconds")
    if unit == "MILLISECOND":
        return verbatim(f"INTERVAL '{Decimal(node.this.name) / 1000:f}' SECOND")
    return None


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    """Shown in UTC, then without its zone."""
    shown = exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))
    return exp.cast(shown, exp.DataType.Type.TIMESTAMP)


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="WITH_TIMEZONE", expressions=[value, exp.Literal.string("UTC")])


TRINO = Dialect(
    name="trino",
    printer=Trino,
    spellings={**timestamps_as("TIMESTAMP(6)"), exp.Interval: _interval},
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=False,
    has_temporary_tables=False,
)
