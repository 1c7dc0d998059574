"""Where a range join stops being the cheaper way: both strategies forced, 1 to 128 candidates per example.

A candidate is a row of the view within the ttl of an example. The ttl is chosen so that there are so many on average;
how many there really are is counted and stands in each line.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from benchmarks.bench import Case, Options, Recorder, compare, folder
from benchmarks.data import SPAN_S, ensure
from benchmarks.question import Question
from benchmarks.sides import OurWay, ours

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Line

STRATEGIES = ("asof", "range_argmax")
MEASURES = ("cpu_s", "wall_s", "peak_mib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One row of ttls: over which data, which examples, how many candidates."""

    size: str
    spine: str
    candidates: tuple[int, ...]


WORKS = {
    "dense": Work(size="MD", spine="spine", candidates=(1, 2, 4, 8, 16, 32, 64, 128)),
    "dense_small_spine": Work(size="MD", spine="spine_tenth", candidates=(1, 2, 4, 8, 16, 32, 64, 128)),
    "many_keys": Work(size="M", spine="spine", candidates=(1, 2, 4, 8, 16, 32)),
}
"""2,000 rows per key with 100k and with 10k examples; 100 rows per key, whose 90 days hold no more than 32."""

QUICK = {"dense": Work(size="SD", spine="spine", candidates=(1, 16, 128))}


def main(options: Options) -> None:
    """Measure, then print the table and where the strategies cross."""
    works = QUICK if options.quick else {name: WORKS[name] for name in options.chosen(WORKS)}
    for name, work in works.items():
        recorder = Recorder(name=f"crossover-{name}")
        counted: dict[int, float] = {}
        with folder() as place:
            cases: list[Case] = []
            for candidates in work.candidates:
                question = _question(work, candidates)
                counted[candidates] = _count(question)
                cases += [_case(place, question, candidates, counted[candidates], way) for way in STRATEGIES]
            compare(cases, recorder, options.rounds)
        recorder.summarize(MEASURES, ours=cases[0].name)
        _print_crossing(recorder, counted)


def _question(work: Work, candidates: int) -> Question:
    size = ensure(work.size)
    return Question(size=size, views=1, ttl_s=round(candidates * SPAN_S * size.entities / size.rows), spine=work.spine)


def _case(place: Path, question: Question, candidates: int, counted: float, strategy: str) -> Case:
    case = ours(place, question, _name(candidates, strategy), OurWay(arguments=("--strategy", strategy)))
    more = {"candidates": round(counted, 2), "strategy": strategy}
    return replace(case, measure=_with(case.measure, more))


def _with(measure: Callable[[], Line], more: Line) -> Callable[[], Line]:
    return lambda: {**more, **measure()}


def _name(candidates: int, strategy: str) -> str:
    return f"{candidates} candidates, {strategy}"


def _count(question: Question) -> float:
    """Rows of the view within the ttl of an example, on average."""
    query = f"""
        SELECT count(v.driver_id) / (SELECT count(*) FROM {question.spine})
        FROM {question.spine} AS s
        JOIN {question.table_of(0)} AS v
            ON v.driver_id = s.driver_id AND v.event_ts <= s.event_timestamp
            AND v.event_ts >= s.event_timestamp - INTERVAL {question.view_ttl_s(0)} SECOND
    """
    with duckdb.connect(str(question.size.database), read_only=True) as connection:
        ((average,),) = connection.execute(query).fetchall()
    return float(average)


def _print_crossing(recorder: Recorder, counted: dict[int, float]) -> None:
    """CPU seconds side by side, and the number of candidates at which the lines cross (straight between logarithms)."""
    print(f"\n{'candidates':>12}" + "".join(f"{strategy:>16}" for strategy in STRATEGIES), file=sys.stderr)
    before: tuple[float, float] | None = None
    crossings: list[float] = []
    for candidates, really in counted.items():
        asof, range_join = (recorder.median(_name(candidates, way), "cpu_s") for way in STRATEGIES)
        if not asof or not range_join:
            continue
        print(f"{really:>12.1f}{asof:>16.3f}{range_join:>16.3f}", file=sys.stderr)
        gap = math.log(range_join / asof)
        if before is not None and before[1] < 0 <= gap:
            share = before[1] / (before[1] - gap)
            crossings.append(math.exp(math.log(before[0]) + share * math.log(really / before[0])))
        before = (really, gap)
    found = ", ".join(f"{crossing:.0f}" for crossing in crossings) or "not within these"
    print(f"the range join stops being cheaper at {found} candidates per example", file=sys.stderr)
