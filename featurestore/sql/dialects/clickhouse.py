"""ClickHouse: native ASOF on at least one equality; every time is an instant, compared as ``DateTime64(6, 'UTC')``.

Its own TIMESTAMP is a ``DateTime`` of whole seconds, so the printer says DateTime64 instead. A session has to set
``join_use_nulls``, which the warehouse does: without it a LEFT JOIN fills in zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse

from featurestore.sql.dialects.table import Asof, Dialect, nan_first
from featurestore.sql.spelling import timestamps_as

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME = "DateTime64(6, 'UTC')"


def _in_utc(value: exp.Expression) -> exp.Expression:
    return exp.cast(value, exp.DataType.Type.TIMESTAMP)


def _asof(right: exp.Expression, equal: Sequence[exp.Expression], is_usable: exp.Expression) -> exp.Join:
    return exp.Join(this=right, method="ASOF", on=exp.and_(*equal, is_usable))


def _ranks(value: exp.Expression, value_type: str) -> tuple[exp.Expression, ...]:
    """An Enum is ordered by its numbers, a UUID by its second half, and NaN like a NULL."""
    if value_type in {"string", "uuid"}:
        return (exp.cast(value, exp.DataType.Type.TEXT),)
    return nan_first(value, value_type)


CLICKHOUSE = Dialect(
    name="clickhouse",
    printer=ClickHouse,
    spellings=timestamps_as(_TIME),
    strategies=("asof", "union_first", "range_argmax"),
    instant_to_utc=_in_utc,
    utc_to_instant=_in_utc,
    has_qualify=True,
    ranks=_ranks,
    asof=Asof(join=_asof, needs_key=True),
)
