"""BigQuery: no ASOF; a naive time is a DATETIME, an instant a TIMESTAMP; temporary tables live in a session.

Windows there take no ``NULLS LAST`` or ``NULLS FIRST``: where the place of NULLs is not the natural one, a column is
sorted by being NULL first of all. An order that says nothing of NULLs is one of values that are never NULL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery

from featurestore.sql.dialects.table import Dialect, nan_first
from featurestore.sql.spelling import direction, verbatim

if TYPE_CHECKING:
    from featurestore.sql.spelling import Say


def _ordered(node: exp.Expression, say: Say) -> exp.Expression:
    """``x ASC``, ``x DESC``; where NULLs are to stand elsewhere, ``x IS NULL ASC, x ASC`` or both reversed."""
    value, order = say(node.this), direction(node)
    nulls_first = node.args.get("nulls_first")
    is_natural = nulls_first is None or nulls_first == (order == "ASC")
    return verbatim(f"{value} {order}" if is_natural else f"{value} IS NULL {order}, {value} {order}")


def _interval(node: exp.Expression, _: Say) -> exp.Expression:
    """``INTERVAL 7 DAY``: of an integer, which every version takes."""
    return verbatim(f"INTERVAL {node.this.name} {node.text('unit')}")


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="DATETIME", expressions=[value, exp.Literal.string("UTC")])


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="TIMESTAMP", expressions=[value, exp.Literal.string("UTC")])


BIGQUERY = Dialect(
    name="bigquery",
    printer=BigQuery,
    spellings={exp.Ordered: _ordered, exp.Interval: _interval},
    strategies=("union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=False,
    ranks=nan_first,  # to BigQuery it is the least of all numbers
)
