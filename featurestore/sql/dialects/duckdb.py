"""DuckDB: native ASOF; ``AT TIME ZONE`` on an instant gives the naive time there."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects import DuckDB

from featurestore.sql.dialects.table import Dialect


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


def _printer() -> DuckDB:
    printer = DuckDB()
    # A session may set another place for NULLs, so it is always written out.
    printer.NULL_ORDERING = "nulls_are_large"
    return printer


DUCKDB = Dialect(name="duckdb", printer=_printer, has_asof=True, instant_to_utc=_instant_to_utc)
