"""The table of differences: what a warehouse's SQL calls by another name, and which ways of searching it has.

A dialect is one `Dialect` value in a file of its own; everything else is sqlglot's printing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlglot

Strategy = Literal["asof", "range_argmax", "interval", "lateral", "union_first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asof:
    """How a warehouse spells its ASOF join.

    Attributes:
        join: makes the join of the right side, from the equalities of the keys and the comparison of the times.
        needs_key: whether at least one equality is demanded.
        keeps_unmatched: whether examples without a match come out all the same, with NULLs.
    """

    join: Callable[[exp.Expression, Sequence[exp.Expression], exp.Expression], exp.Join]
    needs_key: bool = False
    keeps_unmatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a strategy costs, nanoseconds of CPU: per row of the view, per example, and per candidate of an example."""

    row_ns: float = 0.0
    example_ns: float = 0.0
    candidate_ns: float = 0.0


def temporary_table(name: str, query: exp.Query) -> list[exp.Expression]:
    """``CREATE TEMPORARY TABLE name AS query``."""
    return [
        exp.Create(
            this=exp.table_(exp.to_identifier(name, quoted=True)),
            kind="TABLE",
            expression=query,
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one warehouse says it.

    Attributes:
        name: sqlglot's name.
        printer: makes sqlglot's dialect to print with.
        strategies: that it can run, `interval` aside; the first is taken when nothing is known of the data.
        costs: of those between which counts of the data decide.
        instant_to_utc: turns a timestamp with zone into a naive one that reads as UTC.
        utc_to_instant: the way back.
        has_qualify: whether ``QUALIFY`` exists.
        has_any_value: whether ``ANY_VALUE`` exists for all types.
        has_stable_rows: whether a row number given out in a step stays the same however often the step is read;
            elsewhere examples are known by their keys and time.
        says_materialized: whether ``WITH x AS MATERIALIZED`` may be written.
        has_temporary_tables: whether a step's rows can be kept for the session; else a plan runs as one SELECT.
        store: writes the statements that keep them under a name.
        has_indexes: whether ``CREATE INDEX`` speeds a temporary table up.
        nulls_first_when_descending: where NULLs stand in its own descending order.
        by_code_point: makes a text one that is ordered by code points, where the database may order it by a language's
            rules; None where it never does.
        asof: its ASOF join, None where there is none.
        bucket: cuts a time (naive UTC) into buckets of a length in microseconds, as something that compares for
            equality; None where no exact and cheap way is known.
    """

    name: str
    printer: Callable[[], sqlglot.Dialect]
    strategies: tuple[Strategy, ...]
    costs: Mapping[Strategy, Cost] = field(default_factory=dict)
    instant_to_utc: Callable[[exp.Expression], exp.Expression]
    utc_to_instant: Callable[[exp.Expression], exp.Expression]
    has_qualify: bool
    has_any_value: bool = False
    has_stable_rows: bool = False
    says_materialized: bool = False
    has_temporary_tables: bool = True
    store: Callable[[str, exp.Query], list[exp.Expression]] = temporary_table
    has_indexes: bool = False
    nulls_first_when_descending: bool = False
    by_code_point: Callable[[exp.Expression], exp.Expression] | None = None
    asof: Asof | None = None
    bucket: Callable[[exp.Expression, int], exp.Expression] | None = None
