"""Online lookup latency, p50 and p99: what our client, the stores' own reads alone, and Feast's SDK take.

1, 10, 100 entities x 1, 3 views x 8 features, and 1, 100 entities x 3 views x 50. The limit reads the same rows with
the store's lean client (a socket and hiredis, or sqlite3) and does not decode them.
"""

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

    from benchmarks.bench import Goal, Line, Options, Recorder
    from benchmarks.data import Size

MEASURES = ("p50_ms", "p99_ms", "p99_per_p50", "cpu_ms")
IN_MEMORY = "memory:bench"
_WARM_UP = 20
_CENTURY_S = 100 * 365 * 86_400


@dataclass(frozen=True, kw_only=True)
class Case:
    """How many entities and views one request asks for, and of which data."""

    size: Size
    entities: int
    views: int

    @property
    def shape(self) -> str:
        """Entities x views x features."""
        return f"{self.entities}x{self.views}x{self.size.width}"


def cases(size: Size, views: int) -> Iterable[Case]:
    """All cases of a size, for a repository with so many views."""
    if size.width > 8:
        return [Case(size=size, entities=entities, views=views) for entities in (1, 100)]
    return [Case(size=size, entities=entities, views=count) for count in (1, views) for entities in (1, 10, 100)]


def latencies(case: Case, ask: Callable[[list[int]], object], seconds: float) -> str:
    """Ask for random entities during `seconds`; returns a JSON line with milliseconds per request."""
    chosen = random.Random(7)
    requests = [[chosen.randint(1, case.size.entities) for _ in range(case.entities)] for _ in range(500)]
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
    p50, p99 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.99)]
    line = {
        "shape": case.shape,
        "p50_ms": round(1000 * p50, 4),
        "p99_ms": round(1000 * p99, 4),
        "p99_per_p50": round(p99 / p50, 2),
        "cpu_ms": round(cpu_ms, 4),
        "requests": len(taken),
    }
    return json.dumps(line)


def main(options: Options) -> None:
    """Measure, on SQLite, Valkey and in memory; 1,000 entities (S, S50), materialized first."""
    from benchmarks.bench import Recorder, folder
    from benchmarks.data import ensure
    from benchmarks.valkey import server

    sizes = [ensure(name) for name in options.chosen(("S", "S50"))]
    recorder = Recorder(name="lookup")
    with folder() as place, server(place) as uri:
        for size in sizes:
            for store, online in (("memory", IN_MEMORY), ("sqlite", ""), ("valkey", uri)):
                if online is not None:
                    _compare(place / f"{store}-{size.name}", size, store, online, options, recorder)
    recorder.summarize(MEASURES, ours="ours, valkey, 100x3x50", other="feast, valkey, 100x3x50", goals=_goals())


def _compare(place: Path, size: Size, store: str, online: str, options: Options, recorder: Recorder) -> None:
    """Measure all sides on one store, in turns."""
    from benchmarks.valkey import empty

    if store == "valkey":
        empty(online)
    sides = {"ours": partial(_ours, place / "ours", size, online)}
    if store != "memory":
        sides["limit"] = partial(_limit, place / "ours", size, online)
        if options.with_feast:
            sides["feast"] = partial(_feast, place / "feast", size, online)
    asked = {side: prepare() for side, prepare in sides.items()}
    for number in range(1 if options.quick else 3):
        for side, ask in asked.items():
            for line in ask():
                recorder.add({"case": f"{side}, {store}, {line['shape']}", "round": number, **line})


def _goals() -> list[Goal]:
    from benchmarks.bench import Goal

    ours = partial("ours, {}, {}".format)
    one, many = "1x1x8", "100x3x50"
    return [
        Goal(measure="p50_ms", of=ours("valkey", one), to=f"feast, valkey, {one}", at_most=0.40),
        Goal(measure="p50_ms", of=ours("valkey", many), to=f"feast, valkey, {many}", at_most=1 / 45),
        Goal(measure="p99_per_p50", of=ours("valkey", many), at_most=3),
        Goal(measure="p50_ms", of=ours("sqlite", one), at_most=0.040),
        Goal(measure="cpu_ms", of=ours("memory", many), at_most=1.5),
    ]


def _ours(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    from benchmarks.bench import run
    from benchmarks.project import write_project

    question, arguments = _asked(project, size)
    write_project(project, question, online=online)
    run("our_side", "apply", *arguments)
    if online == IN_MEMORY:  # its rows live as long as the process that looks them up
        return partial(run, "our_side", "lookup", *arguments, "--online", online, "--all")
    run("our_side", "materialize", *arguments, "--all")
    return partial(run, "our_side", "lookup", *arguments, *(("--online", online) if online else ()))


def _limit(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    """The reads alone, of what our side has materialized."""
    from benchmarks.bench import run

    _, arguments = _asked(project, size)
    store = online or f"sqlite:{project / '.featurestore' / 'online.sqlite'}"
    return partial(run, "lookup_limit", *arguments, "--online", store)


def _feast(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    from benchmarks.bench import run

    _, arguments = _asked(project, size)
    run("feast_side", "setup", *arguments, "--online", online or "sqlite", feast=True)
    run("feast_side", "materialize", *arguments, "--online", online or "sqlite", "--all", feast=True)
    return partial(run, "feast_side", "lookup", *arguments, feast=True)


def _asked(project: Path, size: Size) -> tuple[object, tuple[str, ...]]:
    from benchmarks.question import Question

    # As old as the data are: beyond its ttl a value would not be answered.
    question = Question(size=size, ttl_s=_CENTURY_S)
    return question, ("--folder", str(project), *question.arguments)
