"""BigQuery: no ASOF; a naive time is a DATETIME, an instant a TIMESTAMP; temporary tables live in a session.

Windows there take no ``NULLS LAST`` or ``NULLS FIRST``: where the place of NULLs is not the natural one, a column is
sorted by being NULL first of all. An order that says nothing of NULLs is one of values that are never NULL.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.generators.bigquery import BigQueryGenerator

from featurestore.sql.dialects.table import Dialect, nan_first


class PlainGenerator(BigQueryGenerator):
    """sqlglot's printer for BigQuery, but for orderings and intervals."""

    def ordered_sql(self, expression: exp.Ordered) -> str:
        """``x ASC``, ``x DESC``; where NULLs are to stand elsewhere, ``x IS NULL ASC, x ASC`` or both reversed."""
        value = self.sql(expression, "this")
        direction = "DESC" if expression.args.get("desc") else "ASC"
        nulls_first = expression.args.get("nulls_first")
        is_natural = nulls_first is None or nulls_first == (direction == "ASC")
        return f"{value} {direction}" if is_natural else f"{value} IS NULL {direction}, {value} {direction}"

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
    ranks=nan_first,  # to BigQuery it is the least of all numbers
)
