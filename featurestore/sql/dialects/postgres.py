"""Postgres: no ASOF, so the newest time comes from a running maximum over the union of both sides."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres

from featurestore.sql.dialects.table import Dialect


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


POSTGRES = Dialect(name="postgres", printer=Postgres, has_asof=False, has_qualify=False, instant_to_utc=_instant_to_utc)
