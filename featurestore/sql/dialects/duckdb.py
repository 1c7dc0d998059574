"""DuckDB: native ASOF; ``AT TIME ZONE`` on an instant gives the naive time there."""

from __future__ import annotations

from sqlglot import exp

from featurestore.sql.dialects.table import Dialect


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


DUCKDB = Dialect(name="duckdb", has_asof=True, instant_to_utc=_instant_to_utc)
