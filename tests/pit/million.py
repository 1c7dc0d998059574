"""A million random cases against the oracle, many to a query: ``python -m tests.pit.million --cases 1000000 --seed 0``.

The trick: cases of one batch share the definitions and lie in the same tables, told apart by one more join key.
Each case is answered as one SELECT and as stages, in one more way by turns (other strategies, not pruned, on DuckDB
the text for other warehouses translated back), and each view is synced (rules P1-P11, P14, P15, O5). The first
difference stops the run with the smallest case that still shows it. Progress goes to stderr, one JSON line to stdout.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from featurestore.materialize.slices import choose_bounds, ranges
from featurestore.sql.dialects import dialect_named
from featurestore.sql.newest import SyncWindow, newest_query
from tests.pit.duckdb_answers import newest_values, plan_of, rows_of, same_rows, times_of, utc
from tests.pit.engines import ENGINES, open_engine, running
from tests.pit.oracle import newest_rows, training_set
from tests.pit.reproduction import describe, smallest
from tests.pit.strategies import Case, draw_rows, draw_table, draw_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Strategy
    from tests.pit.engines import Engine
    from tests.pit.strategies import Rows, World

BATCH = 400
TRANSLATED = ("postgres", "snowflake", "bigquery", "redshift", "databricks")  # not Trino, which has no ttl of 1 us


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Which batch to check; equal tasks are equal batches."""

    seed: int
    number: int
    cases: int
    engine: str = "duckdb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of getting an answer from the code under test."""

    name: str
    is_staged: bool = False
    prune: bool = True
    strategy: Strategy | None = None
    has_index: bool | None = None
    dialect: str | None = None

    def rows(self, warehouse: Engine, world: World) -> list[tuple[Any, ...]]:
        """Answer a world's question in this way, on the rows that are loaded."""
        plan = plan_of(
            world,
            prune=self.prune,
            strategy=self.strategy,
            dialect=self.dialect or warehouse.dialect,
            has_index=self.has_index,
            between=times_of(warehouse, world) if self.is_staged else None,
        )
        return rows_of(warehouse.run(plan, is_staged=self.is_staged))


ALWAYS = (Way(name="one SELECT"), Way(name="stages", is_staged=True))


def in_turn(engine: str) -> tuple[Way, ...]:
    """The ways of which each batch tries one."""
    dialect = dialect_named(engine)
    names = dialect.strategies
    walks = [Way(name="stages, lateral, down a copy", strategy="lateral", is_staged=True, has_index=False)]
    return (
        *(Way(name=f"one SELECT, {strategy}, not pruned", strategy=strategy, prune=False) for strategy in names),
        *(Way(name=f"stages, {strategy}", strategy=strategy, is_staged=True) for strategy in names),
        *(walks if dialect.has_indexes else ()),
        *(Way(name=f"one SELECT for {other}", dialect=other) for other in (TRANSLATED if engine == "duckdb" else ())),
    )


def check_batch(task: Task) -> str | None:
    """Check a batch of cases.

    Returns:
        None, or the first difference: where it is and the smallest case that shows it.
    """
    choose = random.Random(f"{task.seed}/{task.number}").choice
    world = draw_world(choose, is_batched=True)
    shared = {
        view.name: draw_table(choose, world, world.columns(view), case=0, sizes=range(9))
        for view in world.views
        if not view.join_keys
    }
    batch = [draw_rows(choose, world, case=number, shared=shared) for number in range(task.cases)]
    end = choose(world.instants)
    turns = in_turn(task.engine)
    warehouse = open_engine(task.engine)
    try:
        found = _difference(warehouse, world, batch, end, ways=(*ALWAYS, turns[task.number % len(turns)]))
    finally:
        warehouse.close()
    return None if found is None else f"batch {task.number} of seed {task.seed}, {found}"


def _difference(warehouse: Engine, world: World, batch: Sequence[Rows], end: int, *, ways: Sequence[Way]) -> str | None:
    warehouse.load(world, batch)
    question = world.question
    expected = [row for rows in batch for row in training_set(question, rows.spine, rows.tables)]
    for way in ways:
        if not same_rows(way.rows(warehouse, world), expected):
            return f"{way.name}:\n{_reproduce(warehouse, world, batch, way)}"
    for view in world.views:
        rows = [row for table in _tables(view.name, batch) for row in table]
        expected = newest_values(view, newest_rows(view, rows, end))
        if not all(same_rows(got, expected) for got in _newest(warehouse, view, end)):
            return f"newest rows of {view.name} at {utc(end)}:\n{_reproduce_newest(warehouse, world, batch, end)}"
    return None


def _newest(warehouse: Engine, view: FeatureView, end: int) -> Iterator[list[tuple[Any, ...]]]:
    """The newest rows in both ways of asking, and slice by slice."""
    window = SyncWindow(end=utc(end))
    for is_sparse in (False, True):
        yield rows_of(warehouse.read(newest_query(view, window, dialect=warehouse.dialect, is_sparse=is_sparse)))
    asked = SimpleNamespace(dialect=warehouse.dialect, read=lambda sql: warehouse.read(sql).to_reader())
    if view.join_keys and (bounds := choose_bounds(view, window, rows=0, keys=3, most=1, warehouse=asked)):
        parts = [replace(window, keys=keys) for keys in ranges(bounds)]
        sql = [newest_query(view, part, dialect=warehouse.dialect) for part in parts]
        yield [row for each in sql for row in rows_of(warehouse.read(each))]


def _tables(name: str, batch: Sequence[Rows]) -> Iterator[Sequence[dict[str, Any]]]:
    """Each table of a view once, though cases may share it."""
    return iter({id(rows.tables[name]): rows.tables[name] for rows in batch}.values())


def _reproduce(warehouse: Engine, world: World, batch: Sequence[Rows], way: Way) -> str:
    def fails(case: Case) -> bool:
        warehouse.load(case.world, [case.rows])
        return not same_rows(way.rows(warehouse, case.world), case.answer())

    case = _first(world, batch, fails)
    if case is None:
        return "no single case of the batch shows it alone: cases see each other's rows"
    case = smallest(case, fails)
    warehouse.load(case.world, [case.rows])
    got = way.rows(warehouse, case.world)
    return f"{describe(case)}\n-- got    {got}\n-- oracle {case.answer()}"


def _reproduce_newest(warehouse: Engine, world: World, batch: Sequence[Rows], end: int) -> str:
    def fails(case: Case) -> bool:
        warehouse.load(case.world, [case.rows])
        for view in case.world.views:
            expected = newest_values(view, newest_rows(view, case.rows.tables[view.name], end))
            if not all(same_rows(got, expected) for got in _newest(warehouse, view, end)):
                return True
        return False

    case = _first(world, batch, fails)
    return "no single case shows it alone" if case is None else describe(smallest(case, fails))


def _first(world: World, batch: Sequence[Rows], fails: Callable[[Case], bool]) -> Case | None:
    alone = (Case(world=world, rows=rows) for rows in batch)
    return next((case for case in alone if fails(case)), None)


def run(cases: int, *, seed: int, jobs: int, engine: str = "duckdb", batch: int = BATCH) -> dict[str, Any]:
    """Check so many cases; the result has ``cases``, ``differences`` and ``seconds``."""
    started = time.monotonic()
    tasks = [
        Task(seed=seed, number=number, cases=min(batch, cases - number * batch), engine=engine)
        for number in range((cases + batch - 1) // batch)
    ]
    done, differences = 0, 0
    with running(engine), multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for number, found in enumerate(pool.imap(check_batch, tasks)):
            done += tasks[number].cases
            if found is not None:
                differences += 1
                sys.stderr.write(f"\n{found}\n")
                break
            if sys.stderr.isatty() or number % 40 == 39:
                rate = done / (time.monotonic() - started)
                sys.stderr.write(f"{done:,} of {cases:,} cases, {rate:,.0f} a second, no difference\n")
    return {
        "cases": done,
        "differences": differences,
        "seconds": round(time.monotonic() - started, 1),
        "seed": seed,
        "engine": engine,
    }


def main() -> int:
    """Run from the command line; exits with 1 at a difference."""
    parser = argparse.ArgumentParser(description="Random point-in-time cases against the oracle.")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=BATCH, help="cases that share their definitions")
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")
    options = parser.parse_args()
    result = run(options.cases, seed=options.seed, jobs=options.jobs, engine=options.engine, batch=options.batch)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 1 if result["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
