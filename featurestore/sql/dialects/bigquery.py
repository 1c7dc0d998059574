"""BigQuery: no ASOF; a naive time is a DATETIME, an instant a TIMESTAMP; temporary tables live in a session.

Windows there take no ``NULLS LAST`` or ``NULLS FIRST``: where the place of NULLs is not the natural one, a column is
sorted by being NULL first of all.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.generators.bigquery import BigQueryGenerator

from featurestore.sql.dialects.table import Dialect


class PlainGenerator(BigQueryGenerator):
    """sqlglot's printer for BigQuery, but for orderings and intervals."""

    def ordered_sql(self, expression: exp.Ordered) -> str:
        """``x ASC`` (no NULLs, or first), ``x DESC`` (NULLs last); else NULLs are put in their place before."""
        value, nulls_first = self.sql(expression, "this"), expression.args.get("nulls_first")
        if not expression.args.get("desc"):
            return f"{value} IS NULL ASC, {value} ASC" if nulls_first is False else f"{value} ASC"
        return f"{value} IS NULL DESC, {value} DESC" if nulls_first else f"{value} DESC"

    def interval_sql(self, expression: exp.Interval) -> str:
        """``INTERVAL 7 DAY``: of an integer, which every version takes."""
        return f"INTERVAL {expression.this.name} {expression.text('unit')}"


class PlainBigQuery(BigQuery):
    """sqlglot's BigQuery with that printer."""

    Generator = PlainGenerator


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="DATETIME", expressions=[value, exp.Literal.string("UTC")])


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="TIMESTAMP", expressions=[value, exp.Literal.string("UTC")])


BIGQUERY = Dialect(
    name="bigquery",
    printer=PlainBigQuery,
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=False,
)
