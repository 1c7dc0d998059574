"""Snowflake: native ASOF with MATCH_CONDITION, which keeps unmatched examples; a naive time is a TIMESTAMP_NTZ.

What TIMESTAMP means there hangs on a session's settings, so it is never said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake

from featurestore.sql.dialects.table import Asof, Dialect
from featurestore.sql.spelling import timestamps_as

if TYPE_CHECKING:
    from collections.abc import Sequence


def _instant_to_utc(value: exp.Expression) -> exp.Expression:
    """Shown in UTC, then without its zone. CONVERT_TIMEZONE of a naive time would ask for the session's zone."""
    shown = exp.AtTimeZone(this=value, zone=exp.Literal.string("UTC"))
    return exp.cast(shown, exp.DataType.Type.TIMESTAMP)


def _utc_to_instant(value: exp.Expression) -> exp.Expression:
    """``CONVERT_TIMEZONE('UTC', 'UTC', x)`` says that it is UTC, not what the session would think."""
    utc = exp.Literal.string("UTC")
    return exp.cast(
        exp.ConvertTimezone(source_tz=utc, target_tz=utc.copy(), timestamp=value), exp.DataType.Type.TIMESTAMPTZ
    )


def _asof(right: exp.Expression, equal: Sequence[exp.Expression], is_usable: exp.Expression) -> exp.Join:
    keys = exp.and_(*equal) if equal else None
    return exp.Join(this=right, method="ASOF", match_condition=is_usable, on=keys)


SNOWFLAKE = Dialect(
    name="snowflake",
    printer=Snowflake,
    spellings=timestamps_as("TIMESTAMP_NTZ"),
    strategies=("asof", "union_first", "range_argmax"),
    instant_to_utc=_instant_to_utc,
    utc_to_instant=_utc_to_instant,
    has_qualify=True,
    nulls_first_when_descending=True,
    asof=Asof(join=_asof, keeps_unmatched=True),
)
