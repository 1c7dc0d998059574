"""The table of differences: what a warehouse's SQL calls by another name, and which ways of searching it has.

A dialect is one `Dialect` value in a file of its own; everything else is sqlglot's printing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

from featurestore.definitions.types import FLOATS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlglot

    from featurestore.sql.spelling import Spelling

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


def as_timestamp(value: exp.Expression) -> exp.Expression:
    """``CAST(value AS TIMESTAMP)``."""
    return exp.cast(value, exp.DataType.Type.TIMESTAMP)


def as_it_is(value: exp.Expression, value_type: str) -> tuple[exp.Expression, ...]:  # noqa: ARG001
    """The value alone."""
    return (value,)


def enums_as_texts(value: exp.Expression, value_type: str) -> tuple[exp.Expression, ...]:
    """An enum is a text to us, and the database orders it by its place in the type; the cast costs a text nothing."""
    return (exp.cast(value, exp.DataType.Type.TEXT) if value_type == "string" else value,)


def nan_first(value: exp.Expression, value_type: str) -> tuple[exp.Expression, ...]:
    """NaN is the greatest number, where the database takes it for the least or for a NULL."""
    return (exp.IsNan(this=value.copy()), value) if value_type in FLOATS else (value,)


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
        spellings: what is put into other words than that printer's, by kind of node.
        strategies: that it can run, `interval` aside; the first is taken when nothing is known of the data.
        costs: of those between which counts of the data decide.
        instant_to_utc: turns a timestamp with zone into a naive one that reads as UTC.
        utc_to_instant: the way back.
        cut_to_microseconds: turns a naive time that counts nanoseconds into one that counts microseconds; never into
            a later one.
        has_qualify: whether ``QUALIFY`` exists.
        has_any_value: whether ``ANY_VALUE`` exists for all types.
        has_stable_rows: whether a row number given out in a step stays the same however often the step is read;
            elsewhere examples are known by their keys and time.
        says_materialized: whether ``WITH x AS MATERIALIZED`` may be written.
        has_temporary_tables: whether a step's rows can be kept for the session; else a plan runs as one SELECT.
        store: writes the statements that keep them under a name.
        has_indexes: whether ``CREATE INDEX`` speeds a temporary table up.
        nulls_first_when_descending: where NULLs stand in its own descending order.
        ranks: what a value of a type is ordered by among ties, where the database's own order may be another than ours:
            texts by code point, enums as texts, NaN above all numbers, UUIDs by their digits (SEMANTICS P4).
        asof: its ASOF join, None where there is none.
        bucket: cuts a time (naive UTC) into buckets of a length in microseconds, as something that compares for
            equality; None where no exact and cheap way is known.
    """

    name: str
    printer: Callable[[], sqlglot.Dialect]
    spellings: Mapping[type[exp.Expression], Spelling] = field(default_factory=dict)
    strategies: tuple[Strategy, ...]
    costs: Mapping[Strategy, Cost] = field(default_factory=dict)
    instant_to_utc: Callable[[exp.Expression], exp.Expression]
    utc_to_instant: Callable[[exp.Expression], exp.Expression]
    cut_to_microseconds: Callable[[exp.Expression], exp.Expression] = as_timestamp
    has_qualify: bool
    has_any_value: bool = False
    has_stable_rows: bool = False
    says_materialized: bool = False
    has_temporary_tables: bool = True
    store: Callable[[str, exp.Query], list[exp.Expression]] = temporary_table
    has_indexes: bool = False
    nulls_first_when_descending: bool = False
    ranks: Callable[[exp.Expression, str], tuple[exp.Expression, ...]] = as_it_is
    asof: Asof | None = None
    bucket: Callable[[exp.Expression, int], exp.Expression] | None = None
