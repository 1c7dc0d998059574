"""Online lookup latency: 1, 10, 100 entities x 1, 3 views x 8 features; p50 and p99 through each Python client."""

from __future__ import annotations

import json
import random
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.bench import Line, Options
    from benchmarks.data import Size

MEASURES = ("p50_ms", "p99_ms", "cpu_ms")
_WARM_UP = 20
_CENTURY_S = 100 * 365 * 86_400


@dataclass(frozen=True, kw_only=True)
class Case:
    """How many entities and views one request asks for."""

    entities: int
    views: int


def cases(views: int) -> Iterable[Case]:
    """All cases, for a repository with so many views."""
    return [Case(entities=entities, views=count) for count in (1, views) for entities in (1, 10, 100)]


def latencies(case: Case, ask: Callable[[list[int]], object], entities: int, seconds: float) -> str:
    """Ask for random entities during `seconds`; returns a JSON line with milliseconds per request."""
    chosen = random.Random(7)
    requests = [[chosen.randint(1, entities) for _ in range(case.entities)] for _ in range(500)]
    for ids in requests[:_WARM_UP]:
        ask(ids)
    taken: list[float] = []
    cpu = time.process_time()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        ask(requests[len(taken) % len(requests)])
        taken.append(time.perf_counter() - started)
    cpu_ms = 1000 * (time.process_time() - cpu) / len(taken)
    line = {
        "shape": f"{case.entities}x{case.views}x8",
        "p50_ms": round(1000 * statistics.median(taken), 4),
        "p99_ms": round(1000 * sorted(taken)[int(len(taken) * 0.99)], 4),
        "cpu_ms": round(cpu_ms, 4),
        "requests": len(taken),
    }
    return json.dumps(line)


def main(options: Options) -> None:
    """Measure, on SQLite and Valkey; 1,000 entities (S), materialized first."""
    from benchmarks.bench import Recorder, folder
    from benchmarks.data import ensure
    from benchmarks.server import server

    size = ensure("S")
    recorder = Recorder(name="lookup")
    with folder() as place, server(place) as uri:
        for store, online in (("sqlite", ""), ("valkey", uri)):
            if online is None:
                continue
            sides = {"ours": partial(_ours, place / f"ours-{store}", size, online)}
            if options.with_feast:
                sides["feast"] = partial(_feast, place / f"feast-{store}", size, online)
            asked = {side: prepare() for side, prepare in sides.items()}
            for number in range(1 if options.quick else 3):
                for side, ask in asked.items():
                    for line in ask():
                        recorder.add({"case": f"{side}, {store}, {line['shape']}", "round": number, **line})
    recorder.summarize(MEASURES, ours="ours, valkey, 100x3x8", other="feast, valkey, 100x3x8")


def _ours(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    from benchmarks.bench import run
    from benchmarks.project import write_project
    from benchmarks.question import Question

    # As old as the data are: beyond its ttl a value would not be answered.
    question = Question(size=size, ttl_s=_CENTURY_S)
    write_project(project, question, online=online)
    arguments = ("--folder", str(project), *question.arguments)
    run("our_side", "apply", *arguments)
    run("our_side", "materialize", *arguments, "--all")
    return partial(run, "our_side", "lookup", *arguments, *(("--online", online) if online else ()))


def _feast(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    from benchmarks.bench import run
    from benchmarks.question import Question

    question = Question(size=size, ttl_s=_CENTURY_S)
    arguments = ("--folder", str(project), *question.arguments, "--online", online or "sqlite")
    run("feast_side", "setup", *arguments, feast=True)
    run("feast_side", "materialize", *arguments, "--all", feast=True)
    return partial(run, "feast_side", "lookup", *arguments, feast=True)
