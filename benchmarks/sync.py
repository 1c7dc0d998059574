"""Sync to the online store, guard on: 100k rows x 8 features to SQLite and Valkey, and 10M feature rows to 100k keys.

Every run starts with an empty store, and with definitions that are applied. Feast's materialize moves the same rows.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import Line, Options, Recorder, folder, in_turn, run
from benchmarks.data import Size, ensure
from benchmarks.project import write_project
from benchmarks.question import NO_TTL, Question
from benchmarks.server import empty, server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEASURES = ("rows_per_s", "wall_s", "cpu_s", "peak_mib")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One side's project and store."""

    side: str
    project: Path
    size: Size
    online: str = ""


def main(options: Options) -> None:
    """Measure; ``quick`` leaves out the 10M rows."""
    small = ensure("K100")
    recorder = Recorder(name="sync")
    with folder() as place, server(place) as uri:
        sides: dict[str, Callable[[], list[Line]]] = {}
        for store, online in (("sqlite", ""), ("valkey", uri)):
            if online is None:
                continue
            sides[f"ours, {store}"] = _ours(place / f"ours-{store}", small, online)
            if options.with_feast:
                sides[f"feast, {store}"] = _feast(place / f"feast-{store}", small, online)
        in_turn(sides, recorder, options.rounds)
        if not options.quick:
            large = ensure("L")
            sides = {"ours, sqlite, 10M rows": _ours(place / "ours-large", large, "")}
            in_turn(sides, recorder, options.rounds)
            if options.with_feast and options.slow:
                in_turn({"feast, sqlite, 10M rows": _feast(place / "feast-large", large, "")}, recorder, 1)
    recorder.summarize(MEASURES, ours="ours, sqlite", other="feast, sqlite")


def _ours(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    write_project(project, Question(size=size, views=1, ttl_s=NO_TTL), online=online)
    run("our_side", "apply", "--folder", str(project))
    return partial(_measure, Target(side="our_side", project=project, size=size, online=online))


def _feast(project: Path, size: Size, online: str) -> Callable[[], list[Line]]:
    return partial(_measure, Target(side="feast_side", project=project, size=size, online=online))


def _measure(target: Target) -> list[Line]:
    arguments = ("--folder", str(target.project), "--size", target.size.name)
    if target.online:
        empty(target.online)
    if target.side == "our_side":
        for left in (target.project / ".featurestore").glob("online.sqlite*"):
            left.unlink()
        lines = run("our_side", "materialize", *arguments)
    else:
        shutil.rmtree(target.project, ignore_errors=True)
        more = ("--views", "1", "--online", target.online or "sqlite")
        run("feast_side", "setup", *arguments, *more, feast=True)
        lines = run("feast_side", "materialize", *arguments, *more, feast=True)
    return [{**line, "rows_per_s": round(float(str(line["rows"])) / float(str(line["wall_s"])))} for line in lines]
