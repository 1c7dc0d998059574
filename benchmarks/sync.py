"""Sync to the online store: ours, Feast's materialize, and what nobody can beat (one scan, plain SETs).

Three questions: L, 10M feature rows to 100k keys; K1M, a million rows that all have a key of their own, into an empty
store (`first`), then into a live one under the guard (`live`), without and with a ttl; memory, what the server holds
per entity afterwards. Every run starts with an empty store, but for `live`, and with definitions that are applied.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import Goal, Line, Options, Recorder, folder, in_turn, run
from benchmarks.data import Size, ensure
from benchmarks.project import write_project
from benchmarks.question import NO_TTL, Question
from benchmarks.valkey import empty, server, used_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEASURES = ("rows_per_s", "wall_s", "cpu_s", "peak_mib", "bytes_per_entity")
PARTS = ("L", "K1M", "memory")
_YEAR_S = 365 * 86_400
Sides = dict[str, "Callable[[], list[Line]]"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One side's project and store.

    Attributes:
        side: the module that measures.
        project: its folder.
        question: size, views and ttl.
        online: URI of the store; SQLite in the project if empty.
        is_live: whether the store keeps what the run before wrote.
        as_range: whether all rows are written without a look for keys that vanished.
    """

    side: str
    project: Path
    question: Question
    online: str = ""
    is_live: bool = False
    as_range: bool = False

    def measure(self) -> list[Line]:
        """Sync all views once; returns its measurement."""
        if not self.is_live:
            self._empty()
        every = ("--all",) if self.question.views > 1 else ()
        arguments = ("--folder", str(self.project), *self.question.arguments)
        if self.side == "our_side":
            more = ("--as-range",) if self.as_range else ()
            lines = run("our_side", "materialize", *arguments, *every, *more)
        else:
            more = ("--online", self.online or "sqlite")
            shutil.rmtree(self.project, ignore_errors=True)
            run("feast_side", "setup", *arguments, *more, feast=True)
            lines = run("feast_side", "materialize", *arguments, *more, *every, feast=True)
        held = {"bytes_per_entity": self._bytes_per_entity()} if self.online else {}
        return [
            {**line, **held, "rows_per_s": round(float(str(line["rows"])) / float(str(line["wall_s"])))}
            for line in lines
        ]

    def _empty(self) -> None:
        if self.online:
            empty(self.online)
        for left in (self.project / ".featurestore").glob("online.sqlite*"):
            left.unlink()

    def _bytes_per_entity(self) -> int:
        return round(used_memory(self.online) / self.question.size.entities)


def main(options: Options) -> None:
    """Measure the parts asked for; ``quick`` takes a hundred thousand rows in place of millions."""
    recorder = Recorder(name="sync")
    with folder() as place, server(place) as uri:
        stores = {"sqlite": "", **({} if uri is None else {"valkey": uri})}
        for part in options.chosen(PARTS):
            _PARTS[part](place / part, stores, options, recorder)
    recorder.summarize(MEASURES, ours="ours, valkey, L", other="feast, valkey, L", goals=_goals())


def _from_many_rows(place: Path, stores: dict[str, str], options: Options, recorder: Recorder) -> None:
    size = ensure("M" if options.quick else "L")
    question = Question(size=size, views=1, ttl_s=NO_TTL)
    sides: Sides = {}
    for store, online in stores.items():
        sides[f"ours, {store}, L"] = ours(place / f"ours-{store}", question, online).measure
        if options.with_feast:
            feast = Target(side="feast_side", project=place / f"feast-{store}", question=question, online=online)
            sides[f"feast, {store}, L"] = feast.measure
    if "valkey" in stores:
        sides["limit, valkey, L"] = partial(_limit, size, stores["valkey"])
    in_turn(sides, recorder, options.rounds)


def _a_key_per_row(place: Path, stores: dict[str, str], options: Options, recorder: Recorder) -> None:
    size = ensure("K100" if options.quick else "K1M")
    sides: Sides = {}
    for store, online in stores.items():
        for ttl, ttl_s in (("", NO_TTL), (", ttl", _YEAR_S)):
            question = Question(size=size, views=1, ttl_s=ttl_s)
            first = ours(place / f"ours-{store}{ttl_s}", question, online)
            live = replace(first, is_live=True)
            sides[f"ours, {store}, first{ttl}"] = first.measure
            sides[f"ours, {store}, live{ttl}"] = replace(live, as_range=True).measure
            sides[f"ours, {store}, live and full{ttl}"] = live.measure
    if "valkey" in stores:
        sides["limit, valkey, K1M"] = partial(_limit, size, stores["valkey"])
    in_turn(sides, recorder, options.rounds)


def _memory(place: Path, stores: dict[str, str], options: Options, recorder: Recorder) -> None:
    if "valkey" not in stores:
        return
    sides: Sides = {}
    for name, views in (("K100", 1), ("K20W", 3)):
        size = ensure(name)
        question = Question(size=size, views=views, ttl_s=NO_TTL)
        shape = f"{views}x{size.width}"
        online = stores["valkey"]
        sides[f"ours, memory {shape}"] = ours(place / f"ours-{name}", question, online).measure
        if options.with_feast:
            feast = Target(side="feast_side", project=place / f"feast-{name}", question=question, online=online)
            sides[f"feast, memory {shape}"] = feast.measure
    in_turn(sides, recorder, 1)


_PARTS = {"L": _from_many_rows, "K1M": _a_key_per_row, "memory": _memory}


def _goals() -> list[Goal]:
    ours_l = "ours, valkey, L"
    return [
        Goal(measure="wall_s", of=ours_l, to="feast, valkey, L", at_most=1 / 19),
        Goal(measure="wall_s", of="ours, sqlite, L", to="feast, sqlite, L", at_most=1 / 25),
        Goal(measure="wall_s", of=ours_l, to="limit, valkey, L", at_most=1.8),
        Goal(measure="peak_mib", of=ours_l, at_most=260),
        Goal(measure="rows_per_s", of="ours, valkey, live", at_least=280_000),
        Goal(measure="rows_per_s", of="ours, valkey, live, ttl", at_least=220_000),
        Goal(measure="rows_per_s", of="ours, valkey, first", at_least=550_000),
        Goal(measure="bytes_per_entity", of="ours, memory 1x8", to="feast, memory 1x8", at_most=0.65),
        Goal(measure="bytes_per_entity", of="ours, memory 3x50", to="feast, memory 3x50", at_most=0.60),
    ]


def ours(project: Path, question: Question, online: str) -> Target:
    """Make our project, with its definitions applied."""
    write_project(project, question, online=online)
    run("our_side", "apply", "--folder", str(project))
    return Target(side="our_side", project=project, question=question, online=online)


def _limit(size: Size, online: str) -> list[Line]:
    empty(online)
    (line,) = run("sync_limit", "--size", size.name, "--online", online)
    return [{**line, "rows_per_s": round(float(str(line["rows"])) / float(str(line["wall_s"])))}]
