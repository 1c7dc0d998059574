"""Redshift: no ASOF, no indexes; ``AT TIME ZONE`` on an instant gives the naive time there."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift

from featurestore.sql.dialects.table import Dialect


def _in_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


REDSHIFT = Dialect(
    name="redshift",
    printer=Redshift,
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_in_utc,
    utc_to_instant=_in_utc,
    has_qualify=False,
    nulls_first_when_descending=True,
)
