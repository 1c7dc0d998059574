"""Postgres: no ASOF; a walk down an index per example, else a running maximum over the union of both sides."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres

from featurestore.sql.dialects.table import Dialect


def _in_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


POSTGRES = Dialect(
    name="postgres",
    printer=Postgres,
    strategies=("union_first", "lateral", "range_argmax"),
    instant_to_utc=_in_utc,
    utc_to_instant=_in_utc,
    has_qualify=False,
    has_stable_rows=True,
    says_materialized=True,
    has_indexes=True,
    nulls_first_when_descending=True,
)
