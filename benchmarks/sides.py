"""The sides of a comparison of training sets, each a `Case`: ours, hand-written SQL, polars, pandas, Feast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.answers import checksum
from benchmarks.bench import Case, Line, run
from benchmarks.project import write_project

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.project import Tables
    from benchmarks.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class OurWay:
    """How our side is asked.

    Attributes:
        tables: where the views' rows are.
        arguments: more of the command line of `benchmarks.our_side`.
        memory_limit: of DuckDB, e.g. ``256MB``; its own if empty.
    """

    tables: Tables = "table"
    arguments: tuple[str, ...] = ()
    memory_limit: str = ""


TABLES, PARQUET = OurWay(), OurWay(tables="parquet")


def ours(place: Path, question: Question, name: str, way: OurWay = TABLES) -> Case:
    """Our side; its project is made and applied in `place` first."""
    project = write_project(new_folder(place), question, tables=way.tables, memory_limit=way.memory_limit)
    return ours_in(project, place, question, name, *way.arguments)


def ours_in(project: Path, place: Path, question: Question, name: str, *more: str) -> Case:
    """Our side in a project that is written already; it is applied first."""
    run("our_side", "apply", "--folder", str(project))
    arguments = ("historical", "--folder", str(project), *question.arguments, *more)
    return Case(name=name, question=question.name, measure=partial(_measure, place, "our_side", arguments))


def feast(place: Path, question: Question) -> Case:
    """Feast's DuckDB store, which reads Parquet; its examples are a pandas frame, as its interface wants."""
    arguments = ("--folder", str(new_folder(place)), *question.arguments)
    run("feast_side", "setup", *arguments, feast=True)
    measure = partial(_measure, place, "feast_side", ("historical", *arguments))
    return Case(name="feast", question=question.name, measure=measure)


def peer(place: Path, question: Question, name: str, *command: str) -> Case:
    """A command of `benchmarks.peers`, with its options."""
    measure = partial(_measure, place, "peers", (*command, *question.arguments))
    return Case(name=name, question=question.name, measure=measure)


def slow(case: Case) -> Case:
    """The same, measured only once."""
    return replace(case, is_slow=True)


def _measure(place: Path, module: str, arguments: tuple[str, ...]) -> Line:
    out = place / "answer.parquet"
    out.unlink(missing_ok=True)
    (line,) = run(module, *arguments, "--out", str(out), feast=module == "feast_side")
    return {**line, "checksum": checksum(out)}


def new_folder(place: Path) -> Path:
    """A folder that nobody else has."""
    made = place / f"side-{len(list(place.glob('side-*')))}"
    made.mkdir(parents=True)
    return made
