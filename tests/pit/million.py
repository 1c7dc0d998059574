"""A million random cases against the oracle, many to a query: ``python -m tests.pit.million --cases 1000000 --seed 0``.

The trick: cases of one batch share the definitions and lie in the same tables, told apart by one more join key.
Each case is answered as one SELECT and as stages, in one more way by turns (other strategies, not pruned, on DuckDB
the text for other warehouses translated back), and each view is synced (rules P1-P11, P14, P15, O5). The first
difference stops the run with the smallest case that still shows it. Progress goes to stderr, one JSON line to stdout.
``--engine`` names the warehouse; each has a file ``<engine>_answers.py`` here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import random
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from featurestore.sql.dialects import dialect_named
from featurestore.sql.newest import SyncWindow, newest_query
from tests.pit.duckdb_answers import newest_values, plan_of, rows_of, same_rows, utc
from tests.pit.oracle import newest_rows, training_set
from tests.pit.reproduction import describe, smallest
from tests.pit.strategies import Case, draw_rows, draw_table, draw_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from featurestore.definitions.views import Column
    from featurestore.sql.dialects.table import Strategy
    from featurestore.sql.plan import Plan
    from tests.pit.strategies import Rows, World

ENGINES = ("duckdb", "clickhouse")
TRANSLATED = ("postgres", "snowflake", "bigquery", "redshift", "databricks")  # not Trino, which has no ttl of 1 us
BATCH = 400


class Warehouse(Protocol):
    """What an engine's file has a class of this name for."""

    dialect: str

    def load(self, world: World, batch: Sequence[Rows]) -> None:
        """Make the relations of a world from the rows of one case or several."""

    def relation(self, name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> None:
        """Make one relation in place of what had its name."""

    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table:
        """Run a plan as one SELECT or as its stages."""

    def read(self, sql: str) -> pa.Table:
        """Run one SELECT."""

    def close(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Which batch to check, and where; equal tasks are equal batches."""

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
    dialect: str = "duckdb"

    def rows(self, warehouse: Warehouse, world: World) -> list[tuple[Any, ...]]:
        """Answer a world's question in this way, on the rows that are loaded."""
        plan = plan_of(world, prune=self.prune, strategy=self.strategy, dialect=self.dialect)
        return rows_of(warehouse.run(plan, is_staged=self.is_staged))


def ways(engine: str, number: int) -> tuple[Way, ...]:
    """The ways in which a batch is answered: as one SELECT, as stages, and in one more, by turns."""
    strategies = dialect_named(engine).strategies
    in_turn = [
        *(
            Way(name=f"one SELECT, {strategy}, not pruned", strategy=strategy, prune=False, dialect=engine)
            for strategy in strategies
        ),
        *(
            Way(name=f"stages, {strategy}", strategy=strategy, is_staged=True, dialect=engine)
            for strategy in strategies
        ),
    ]
    if engine == "duckdb":
        in_turn.extend(Way(name=f"one SELECT for {dialect}", dialect=dialect) for dialect in TRANSLATED)
    always = (Way(name="one SELECT", dialect=engine), Way(name="stages", is_staged=True, dialect=engine))
    return (*always, in_turn[number % len(in_turn)])


def open_engine(engine: str) -> Warehouse:
    """Open the warehouse that an engine's file describes."""
    opened: Warehouse = importlib.import_module(f"tests.pit.{engine}_answers").Warehouse()
    return opened


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
    warehouse = open_engine(task.engine)
    try:
        found = _difference(warehouse, world, batch, end, in_ways=ways(task.engine, task.number))
    finally:
        warehouse.close()
    return None if found is None else f"batch {task.number} of seed {task.seed}, {found}"


def _difference(
    warehouse: Warehouse, world: World, batch: Sequence[Rows], end: int, *, in_ways: Sequence[Way]
) -> str | None:
    warehouse.load(world, batch)
    question = world.question
    expected = [row for rows in batch for row in training_set(question, rows.spine, rows.tables)]
    for way in in_ways:
        if not same_rows(way.rows(warehouse, world), expected):
            return f"{way.name}:\n{_reproduce(warehouse, world, batch, way)}"
    for view in world.views:
        rows = [row for table in _tables(view.name, batch) for row in table]
        got = rows_of(warehouse.read(newest_query(view, SyncWindow(end=utc(end)), dialect=warehouse.dialect)))
        if not same_rows(got, newest_values(view, newest_rows(view, rows, end))):
            return f"newest rows of {view.name} at {utc(end)}:\n{_reproduce_newest(warehouse, world, batch, end)}"
    return None


def _tables(name: str, batch: Sequence[Rows]) -> Iterator[Sequence[dict[str, Any]]]:
    """Each table of a view once, though cases may share it."""
    return iter({id(rows.tables[name]): rows.tables[name] for rows in batch}.values())


def _reproduce(warehouse: Warehouse, world: World, batch: Sequence[Rows], way: Way) -> str:
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


def _reproduce_newest(warehouse: Warehouse, world: World, batch: Sequence[Rows], end: int) -> str:
    def fails(case: Case) -> bool:
        warehouse.load(case.world, [case.rows])
        for view in case.world.views:
            got = rows_of(warehouse.read(newest_query(view, SyncWindow(end=utc(end)), dialect=warehouse.dialect)))
            if not same_rows(got, newest_values(view, newest_rows(view, case.rows.tables[view.name], end))):
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
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for number, found in enumerate(pool.imap(check_batch, tasks)):
            done += tasks[number].cases
            if found is not None:
                differences += 1
                sys.stderr.write(f"\n{found}\n")
                break
            if sys.stderr.isatty() or number % 40 == 39:
                rate = done / (time.monotonic() - started)
                sys.stderr.write(f"{done:,} of {cases:,} cases, {rate:,.0f} a second, no difference\n")
    seconds = round(time.monotonic() - started, 1)
    return {"engine": engine, "cases": done, "differences": differences, "seconds": seconds, "seed": seed}


def main() -> int:
    """Run from the command line; exits with 1 at a difference."""
    parser = argparse.ArgumentParser(description="Random point-in-time cases against the oracle.")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=BATCH, help="cases that share definitions")
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")
    options = parser.parse_args()
    result = run(options.cases, seed=options.seed, jobs=options.jobs, engine=options.engine, batch=options.batch)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 1 if result["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
