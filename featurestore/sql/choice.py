"""Which strategy a use of a view gets: the cheapest by a small cost rule, from counts of the data.

The rule is data (`Dialect.costs`): nanoseconds per row of the view, per example and per candidate. Without counts the
dialect's first strategy is taken, whose cost is bounded. The counts come from a cheap query per use (`density_query`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from sqlglot import exp

from featurestore.errors import UsageError, did_you_mean
from featurestore.sql.dialects.table import Strategy
from featurestore.sql.expressions import (
    EVENT,
    FROM_SPINE,
    FROM_VIEW,
    SPINE,
    SPINE_ROW,
    SPINE_TIME,
    USABLE,
    alias,
    all_of,
    column,
    nested,
    print_sql,
    relation,
    table,
)
from featurestore.sql.strategies.search import examples, is_usable, usable_rows, within_ttl

if TYPE_CHECKING:
    from featurestore.sql.dialects.table import Dialect
    from featurestore.sql.strategies.search import Search

SAMPLED = 200
"""How many examples the candidates are counted for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of the data of one use; None is unknown.

    Attributes:
        rows: of the view.
        examples: of the spine.
        candidates: rows that an example may see, on average over a sample of examples.
        has_index: whether the view's table has an index on keys and event time; None where indexes are of no use.
    """

    rows: int | None = None
    examples: int | None = None
    candidates: float | None = None
    has_index: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How the rows of one use are searched, and why.

    Attributes:
        use: its name.
        strategy: as chosen.
        reason: one sentence.
        measured: what it was chosen from.
        costs_s: estimated CPU seconds of each strategy that was compared; empty without counts.
    """

    use: str
    strategy: Strategy
    reason: str
    measured: Measured
    costs_s: tuple[tuple[Strategy, float], ...] = ()


def choose(search: Search, measured: Measured, *, forced: Strategy | None, lacks: frozenset[str]) -> Choice:
    """Choose how the rows of one use are searched.

    Args:
        search: the use.
        measured: what is known of its data.
        forced: the strategy that the request asks for; None chooses.
        lacks: what the connection cannot do although its dialect can.

    Raises:
        UsageError: the forced strategy is unknown, or one that the warehouse or the view does not have.
    """
    name, dialect = search.use.name, search.dialect
    if search.view.valid_to is not None:
        return Choice(use=name, strategy="interval", reason="its rows say until when they are valid", measured=measured)
    possible = _possible(dialect, measured, lacks)
    if forced is not None:
        _refuse(search, forced, possible)
        return Choice(use=name, strategy=forced, reason="asked for", measured=measured)
    if measured.has_index and "lateral" in possible:
        reason = "the table has an index on keys and event time"
        return Choice(use=name, strategy="lateral", reason=reason, measured=measured)
    costs = _costs(dialect, possible, measured)
    if len(costs) < 2:
        reason = "the only one to choose from" if len(possible) == 1 else "bounded whatever the data are like"
        if "temporary_tables" in lacks:
            reason = f"{reason}; no temporary table can be made here, so nothing is counted"
        return Choice(use=name, strategy=possible[0], reason=reason, measured=measured)
    costs.sort(key=lambda cost: cost[1])
    (best, cost), (other, more) = costs[:2]
    reason = f"estimated {_seconds(cost)} of CPU against {_seconds(more)} for {other}"
    return Choice(use=name, strategy=best, reason=reason, measured=measured, costs_s=tuple(costs))


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.01 else f"{1000 * value:.2g} ms"


def _possible(dialect: Dialect, measured: Measured, lacks: frozenset[str]) -> tuple[Strategy, ...]:
    """The strategies of this connection, best first when nothing is known."""
    has_no_index = measured.has_index is False and bool({"indexes", "temporary_tables"} & lacks)
    without = {*lacks, *(("lateral",) if has_no_index else ())}
    return tuple(strategy for strategy in dialect.strategies if strategy not in without)


def _refuse(search: Search, forced: Strategy, possible: tuple[Strategy, ...]) -> None:
    known = get_args(Strategy)
    if forced not in known:
        raise UsageError(f"no strategy '{forced}'", hint=did_you_mean(str(forced), known))
    if forced == "interval":
        hint = "declare valid_to in its metadata, or leave the strategy out"
        raise UsageError(f"the strategy interval needs rows that say until when they are valid, which "
                         f"{search.view.reference} does not have", hint=hint)  # fmt: skip
    if forced not in possible:
        has = f"{search.dialect.name} has {', '.join(possible)}"
        raise UsageError(f"the strategy {forced} does not run on {search.dialect.name} here", hint=has)


def _costs(dialect: Dialect, possible: tuple[Strategy, ...], measured: Measured) -> list[tuple[Strategy, float]]:
    rows, asked, candidates = measured.rows, measured.examples, measured.candidates
    if rows is None or asked is None or candidates is None:
        return []
    found: list[tuple[Strategy, float]] = []
    for strategy in possible:
        cost = dialect.costs.get(strategy)
        if cost is not None:
            ns = rows * cost.row_ns + asked * cost.example_ns + asked * candidates * cost.candidate_ns
            found.append((strategy, ns / 1e9))
    return found


def needs_counts(search: Search, forced: Strategy | None, lacks: frozenset[str]) -> bool:
    """Whether counts of the data would decide anything for this use."""
    possible = _possible(search.dialect, Measured(), lacks)
    compared = [strategy for strategy in possible if strategy in search.dialect.costs]
    return forced is None and search.view.valid_to is None and len(compared) > 1


def examples_query(dialect: Dialect) -> str:
    """Write the SELECT of what the stored examples are: one row, ``examples``, ``earliest`` and ``latest`` time."""
    time = column(SPINE_TIME)
    return print_sql(
        exp.select(
            alias(exp.Count(this=exp.Star()), "examples"),
            alias(exp.Min(this=time), "earliest"),
            alias(exp.Max(this=time.copy()), "latest"),
        ).from_(table(SPINE)),
        dialect,
    )


def density_query(search: Search, examples_stored: int) -> str:
    """Write the SELECT that counts what `choose` wants to know; reads the stored spine, whose rows are numbered.

    Args:
        search: the use.
        examples_stored: how many examples there are; about `SAMPLED` of them, spread evenly, are looked at.

    Returns:
        One SELECT with one row: ``rows`` of the view, ``sampled`` examples, and the ``candidates`` that these may see,
        together.
    """
    assert search.by_row, "an even sample needs row numbers"
    dialect, view = search.dialect, search.view
    stride = exp.Literal.number(max(1, examples_stored // SAMPLED))
    is_sampled = exp.Mod(this=column(SPINE_ROW), expression=stride).eq(exp.Literal.number(0))
    sample = examples(search).where(is_sampled)
    conditions = [
        *search.same_keys(FROM_SPINE),
        is_usable(search, column(USABLE, FROM_VIEW), FROM_SPINE),
        *within_ttl(search, column(EVENT, FROM_VIEW), FROM_SPINE),
    ]
    seen = (
        exp.select(exp.Count(this=exp.Star()))
        .from_(nested(sample, FROM_SPINE), copy=False)
        .join(nested(usable_rows(replace(search, prune=False)), FROM_VIEW), on=all_of(conditions), copy=False)
    )
    rows = exp.select(exp.Count(this=exp.Star())).from_(relation(view.relation, dialect, FROM_VIEW))
    sampled = exp.select(exp.Count(this=exp.Star())).from_(nested(sample.copy(), FROM_SPINE))
    return print_sql(
        exp.select(
            alias(rows.subquery(), "rows"),
            alias(sampled.subquery(), "sampled"),
            alias(seen.subquery(), "candidates"),
        ),
        dialect,
    )
