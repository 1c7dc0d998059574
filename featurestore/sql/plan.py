"""A plan: the few named steps of a retrieval, printed as one legible SELECT or as staged statements.

People read the SELECT; engines run the stages, since one view's temporary result at a time needs a fraction
of the memory that all views' sorts need together. Both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

from featurestore.sql.expressions import print_sql

if TYPE_CHECKING:
    from featurestore.definitions.views import AsOf
    from featurestore.sql.dialects.table import Dialect


Strategy = Literal["asof", "running_maximum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Options of one request.

    Attributes:
        as_of: overrides every view's own rule (SEMANTICS P8).
        event_timestamps: add ``<view>__event_timestamp`` and ``<view>__found`` at the end, per use (P6).
        prune: read only rows in the spine's time range; never changes a result (P15).
        ordered: return examples in their input order (P1); needs a spine that numbers its rows.
        strategy: how the newest time is found; None takes the dialect's best.
    """

    as_of: AsOf | None = None
    event_timestamps: bool = False
    prune: bool = True
    ordered: bool = False
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One named query.

    Attributes:
        name: of the CTE or temporary table; starts with ``__``.
        comment: the rule it applies, for the reader.
        query: its SELECT; may read the steps before it.
        is_stored: whether staged execution keeps its rows; other steps are CTEs of the next stored one.
    """

    name: str
    comment: str
    query: exp.Select
    is_stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in order, and the SELECT that reads them."""

    dialect: Dialect
    steps: tuple[Step, ...]
    result: exp.Select

    def select(self) -> str:
        """One SELECT with a named, commented CTE per step."""
        return print_sql(_with(self.result, self.steps), self.dialect)

    def statements(self) -> tuple[tuple[str, ...], str]:
        """Statements that make the temporary tables, in order, and the SELECT that reads them."""
        made: list[str] = []
        waiting: list[Step] = []
        for step in self.steps:
            if not step.is_stored:
                waiting.append(step)
                continue
            create = exp.Create(
                this=exp.table_(exp.to_identifier(step.name, quoted=True)),
                kind="TABLE",
                expression=_commented(_with(step.query, tuple(waiting)), step.comment),
                properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
            )
            made.append(print_sql(create, self.dialect))
            waiting = []
        return tuple(made), print_sql(_with(self.result, tuple(waiting)), self.dialect)


def _commented(query: exp.Select, comment: str) -> exp.Select:
    query.add_comments([f" {comment} "])
    return query


def _with(query: exp.Select, steps: tuple[Step, ...]) -> exp.Select:
    made = query.copy()
    for step in steps:
        body = _commented(step.query.copy(), step.comment)
        name = exp.to_identifier(step.name, quoted=True)
        # A step that is read twice must be computed once: row numbers are given out in it.
        made = made.with_(name, as_=body, materialized=step.is_stored or None, copy=False)
    return made
