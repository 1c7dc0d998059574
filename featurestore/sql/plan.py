"""A plan: the few named steps of a retrieval, printed as one legible SELECT or as staged statements.

People read the SELECT; engines run the stages, since one view's temporary result at a time needs a fraction
of the memory that all views' sorts need together. Both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.expressions import column, print_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.views import AsOf
    from featurestore.sql.choice import Choice, Measured
    from featurestore.sql.dialects.table import Dialect, Strategy
    from featurestore.sql.strategies.search import Between


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Options of one request.

    Attributes:
        as_of: overrides every view's own rule (SEMANTICS P8).
        event_timestamps: add ``<view>__event_timestamp`` and ``<view>__found`` at the end, per use (P6).
        prune: read only rows in the spine's time range; never changes a result (P15).
        ordered: return examples in their input order (P1), where a spine or the warehouse numbers its rows.
        strategy: how rows are searched; None chooses it per use. Views with validity intervals have their own.
        measured: what is known of the data, per use in the selection's order; empty when nothing is.
        between: from when to when the examples are, where that is known; else each query asks the spine.
        lacks: what the connection cannot do although its dialect can, e.g. ``asof``.
    """

    as_of: AsOf | None = None
    event_timestamps: bool = False
    prune: bool = True
    ordered: bool = False
    strategy: Strategy | None = None
    measured: tuple[Measured, ...] = ()
    between: Between | None = None
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index that a stored step gets, on these of its columns, in order."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One named query.

    Attributes:
        name: of the CTE or temporary table; starts with ``__``.
        comment: the rule it applies, for the reader.
        query: its SELECT; may read the steps before it.
        is_stored: whether staged execution keeps its rows; other steps are CTEs of the next stored one.
        index: of the stored rows, where the warehouse has indexes.
        about: what the step is for, as a progress line says it.
    """

    name: str
    comment: str
    query: exp.Select
    is_stored: bool = False
    index: Index | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of staged execution, and what it is for."""

    sql: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in order, the SELECT that reads them, and how each use's rows are searched."""

    dialect: Dialect
    steps: tuple[Step, ...]
    result: exp.Select
    choices: tuple[Choice, ...] = ()

    def select(self) -> str:
        """One SELECT with a named, commented CTE per step."""
        return print_sql(_with(self.result, self.steps, self.dialect), self.dialect)

    def statements(self) -> Iterator[Statement]:
        """Statements that make the temporary tables, in order; each is printed when it is taken."""
        waiting: list[Step] = []
        for step in self.steps:
            if not step.is_stored:
                waiting.append(step)
                continue
            for sql in self._stored(step, tuple(waiting)):
                yield Statement(sql=sql, about=step.about)
            waiting = []

    def last(self) -> str:
        """The SELECT that reads the temporary tables; which there are does not hang on how a view is searched."""
        waiting: tuple[Step, ...] = ()
        for step in self.steps:
            waiting = () if step.is_stored else (*waiting, step)
        return print_sql(_with(self.result, waiting, self.dialect), self.dialect)

    def _stored(self, step: Step, waiting: tuple[Step, ...]) -> list[str]:
        query = _commented(_with(step.query, waiting, self.dialect), step.comment)
        statements = self.dialect.store(step.name, query)
        if step.index is not None and self.dialect.has_indexes:
            statements.extend(_indexed(step.name, step.index))
        return [print_sql(statement, self.dialect) for statement in statements]


def _indexed(name: str, index: Index) -> list[exp.Expression]:
    """Statements that index a temporary table and tell the planner what it holds."""
    table = exp.table_(exp.to_identifier(name, quoted=True))
    columns = [exp.Ordered(this=column(key)) for key in index.columns]
    made = exp.Create(
        kind="INDEX",
        this=exp.Index(table=table, params=exp.IndexParameters(columns=columns)),
    )
    # Where the table is said differs between versions of sqlglot; each prints its own.
    return [made, exp.Analyze(this=table.copy(), tables=[table.copy()])]


def _commented(query: exp.Select, comment: str) -> exp.Select:
    query.add_comments([f" {comment} "])
    return query


def _with(query: exp.Select, steps: tuple[Step, ...], dialect: Dialect) -> exp.Select:
    made = query.copy()
    for step in steps:
        body = _commented(step.query.copy(), step.comment)
        name = exp.to_identifier(step.name, quoted=True)
        # A step that is read twice must be computed once: row numbers are given out in it.
        is_kept = (step.is_stored and dialect.says_materialized) or None
        made = made.with_(name, as_=body, materialized=is_kept, copy=False)
    return made
