"""A plan as it runs: the examples are stored first, counts of the data choose the strategies, then view after view.

The counts need the stored examples, so the statements are handed out one at a time, each when the one before has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.sql.choice import Measured, density_query, examples_query, needs_counts
from featurestore.sql.dialects import dialect_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.sql.choice import Choice
    from featurestore.sql.dialects.table import Strategy
    from featurestore.sql.strategies.search import Search
    from featurestore.training.compiled import Compiled
    from featurestore.warehouse.protocol import Warehouse

    OnStage = Callable[[str, int, int], None]


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
    if not _can_store(warehouse):
        return iter(()), compiled.plan(warehouse.dialect, lacks=warehouse.lacks).select()
    _, select = compiled.plan(warehouse.dialect, lacks=warehouse.lacks).statements()
    return _statements(compiled, warehouse, on_stage), select


def chosen(compiled: Compiled, warehouse: Warehouse) -> tuple[Choice, ...]:
    """How the rows of each use would be searched, and why; the examples are stored and counted, nothing else runs."""
    plan = compiled.plan(warehouse.dialect, lacks=warehouse.lacks)
    if not plan.choices or not _can_store(warehouse):
        return plan.choices
    statements, _ = plan.statements()
    warehouse.execute(statements[0].sql)
    measured = _measure(compiled, warehouse)
    return compiled.plan(warehouse.dialect, measured=measured, lacks=warehouse.lacks).choices


def _can_store(warehouse: Warehouse) -> bool:
    return dialect_named(warehouse.dialect).has_temporary_tables and "temporary_tables" not in warehouse.lacks


def _statements(compiled: Compiled, warehouse: Warehouse, on_stage: OnStage | None) -> Iterator[str]:
    statements, _ = compiled.plan(warehouse.dialect, lacks=warehouse.lacks).statements()
    total = len(statements)
    for done, first in enumerate(statements[:1]):
        if on_stage is not None:
            on_stage(first.about, done, total)
        yield first.sql
    measured = _measure(compiled, warehouse) if statements else ()
    statements, _ = compiled.plan(warehouse.dialect, measured=measured, lacks=warehouse.lacks).statements()
    total = len(statements)
    for done, statement in enumerate(statements[1:], start=1):
        if on_stage is not None:
            on_stage(statement.about, done, total)
        yield statement.sql
    if on_stage is not None:
        on_stage("the result", total, total)


def _measure(compiled: Compiled, warehouse: Warehouse) -> tuple[Measured, ...]:
    """What is known of the data of each use, once the examples are stored."""
    searches = compiled.searches(warehouse.dialect)
    forced = compiled.options.strategy
    examples = 0
    if any(needs_counts(search, forced, warehouse.lacks) for search in searches):
        (row,) = warehouse.read(examples_query(searches[0].dialect)).read_all().to_pylist()
        examples = row["examples"]
    return tuple(_measured(search, forced, examples, warehouse) for search in searches)


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
