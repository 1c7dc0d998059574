"""A plan as it runs: the examples are stored first, counts of the data choose the strategies, then view after view.

The counts need the stored examples, so the statements are handed out one at a time, each when the one before has run.
"""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING

from featurestore.sql.choice import Measured, density_query, examples_query, needs_counts
from featurestore.sql.dialects import dialect_named
from featurestore.sql.strategies.search import Between
from featurestore.training.compiled import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from featurestore.sql.choice import Choice
    from featurestore.sql.dialects.table import Strategy
    from featurestore.sql.plan import Plan
    from featurestore.sql.strategies.search import Search
    from featurestore.training.compiled import Compiled
    from featurestore.warehouse.protocol import Warehouse

    OnStage = Callable[[str, int, int], None]

_FIRST_YEAR, _LAST_YEAR = 1, 9999  # the ends of Python's calendar, where drivers put what lies beyond


def stages(compiled: Compiled, warehouse: Warehouse, on_stage: OnStage | None) -> tuple[Iterator[str], str]:
    """Write what a warehouse is to run.

    Args:
        compiled: the question.
        warehouse: where it will run; asked for counts between the statements.
        on_stage: told, before each statement, what it is for, how many are done and how many there are.

    Returns:
        Statements, each to be run before the next is taken, and the SELECT that yields the rows after them. Where no
        temporary tables can be made there are no statements, and the SELECT does it all.
    """
    plan = compiled.plan(warehouse.dialect, Known(lacks=warehouse.lacks))
    if not _can_store(warehouse):
        return iter(()), plan.select()
    return _statements(plan, compiled, warehouse, on_stage), plan.last()


def chosen(compiled: Compiled, warehouse: Warehouse) -> tuple[Choice, ...]:
    """How the rows of each use would be searched, and why; the examples are stored and counted, nothing else runs."""
    plan = compiled.plan(warehouse.dialect, Known(lacks=warehouse.lacks))
    if not plan.choices or not _can_store(warehouse):
        return plan.choices
    warehouse.execute(next(plan.statements()).sql)
    return compiled.plan(warehouse.dialect, _find_out(compiled, warehouse)).choices


def _can_store(warehouse: Warehouse) -> bool:
    return dialect_named(warehouse.dialect).has_temporary_tables and "temporary_tables" not in warehouse.lacks


def _statements(plan: Plan, compiled: Compiled, warehouse: Warehouse, on_stage: OnStage | None) -> Iterator[str]:
    """The examples' statement of a plan that knows nothing, then the others of one that knows the data."""
    total = sum(step.is_stored for step in plan.steps)
    for first in islice(plan.statements(), 1):
        if on_stage is not None:
            on_stage(first.about, 0, total)
        yield first.sql
        rest = tuple(compiled.plan(warehouse.dialect, _find_out(compiled, warehouse)).statements())
        total = len(rest)
        for done, statement in enumerate(rest[1:], start=1):
            if on_stage is not None:
                on_stage(statement.about, done, total)
            yield statement.sql
    if on_stage is not None:
        on_stage("the result", total, total)


def _find_out(compiled: Compiled, warehouse: Warehouse) -> Known:
    """What is known once the examples are stored: how many they are and when, and what each use's data are like."""
    searches, forced = compiled.searches(warehouse.dialect), compiled.options.strategy
    stored = warehouse.read(examples_query(dialect_named(warehouse.dialect))).read_all()
    examples = stored.column("examples")[0].as_py()
    return Known(
        measured=tuple(_measured(search, forced, examples, warehouse) for search in searches),
        between=Between(earliest=_moment(stored.column("earliest")[0]), latest=_moment(stored.column("latest")[0])),
        lacks=warehouse.lacks,
    )


def _moment(value: pa.Scalar) -> datetime | None:
    """A time as Python has it; None for NULL and for what is beyond the calendar, such as infinity."""
    try:
        moment = value.as_py()
    except (OverflowError, ValueError):
        return None
    if moment is None or not _FIRST_YEAR < moment.year < _LAST_YEAR:
        return None
    return datetime.combine(moment.date(), moment.time(), tzinfo=timezone.utc)


def _measured(search: Search, forced: Strategy | None, examples: int, warehouse: Warehouse) -> Measured:
    view, has_index = search.view, None
    if search.dialect.has_indexes and view.valid_to is None:
        columns = (*(key.name for key in view.join_keys), view.event_time.name)
        has_index = warehouse.has_index(view.relation, columns)
    if has_index or not needs_counts(search, forced, warehouse.lacks):
        return Measured(has_index=has_index)
    (counts,) = warehouse.read(density_query(search, examples)).read_all().to_pylist()
    sampled = counts["sampled"]
    return Measured(
        rows=counts["rows"],
        examples=examples,
        candidates=counts["candidates"] / sampled if sampled else 0.0,
        has_index=has_index,
    )
