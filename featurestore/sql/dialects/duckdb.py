"""DuckDB: native ASOF; ``AT TIME ZONE`` on an instant gives the naive time there.

A session may set another order and another place for NULLs, so every ordering is written out in full.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator

from featurestore.sql.dialects.table import Dialect


class ExplicitGenerator(DuckDBGenerator):
    """sqlglot's printer for DuckDB, but for orderings."""

    def ordered_sql(self, expression: exp.Ordered) -> str:
        """``x DESC NULLS LAST``, whatever the defaults are."""
        direction = "DESC" if expression.args.get("desc") else "ASC"
        nulls = "FIRST" if expression.args.get("nulls_first") else "LAST"
        return f"{self.sql(expression, 'this')} {direction} NULLS {nulls}"


class ExplicitDuckDB(DuckDB):
    """sqlglot's DuckDB with that printer."""

    Generator = ExplicitGenerator


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))


DUCKDB = Dialect(name="duckdb", printer=ExplicitDuckDB, has_asof=True, has_qualify=True, instant_to_utc=_instant_to_utc)
