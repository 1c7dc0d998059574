"""Postgres: no ASOF; a walk down an index per example, else a running maximum over the union of both sides."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres

from featurestore.sql.dialects.table import Dialect
from featurestore.sql.expressions import interval


def _in_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


def _by_code_point(text: exp.Expression) -> exp.Expression:
    """The cast is for enums, which are texts to us, and costs a text nothing."""
    as_text = exp.cast(text, exp.DataType.Type.TEXT)
    return exp.Collate(this=as_text, expression=exp.to_identifier("C", quoted=True))


def _bucket(time: exp.Expression, length_us: int) -> exp.Expression:
    """Its first moment, counted from 1970; a stride of days is one of 24 hours each."""
    origin = exp.cast(exp.Literal.string("1970-01-01"), exp.DataType.Type.TIMESTAMP)
    return exp.Anonymous(this="DATE_BIN", expressions=[interval(length_us), time, origin])


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
    by_code_point=_by_code_point,
    bucket=_bucket,
)
