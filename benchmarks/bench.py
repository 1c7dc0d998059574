"""How a benchmark runs: each measurement in a fresh process, the sides in turn, every line kept.

The load of a shared machine changes from minute to minute, so sides alternate and ratios are of medians; CPU seconds
(all threads of the process, its imports left out) are steadier than wall time.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.feast_env import feast_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
Line = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for."""

    quick: bool = False
    with_feast: bool = True
    slow: bool = False
    repetitions: int = 5
    works: tuple[str, ...] = ()

    @property
    def rounds(self) -> int:
        """How often each side is measured."""
        return 1 if self.quick else self.repetitions

    def chosen(self, works: Iterable[str]) -> tuple[str, ...]:
        """The parts asked for, else all of these; ends the run at one that is not among them."""
        known = tuple(works)
        for name in self.works:
            if name not in known:
                sys.exit(f"no work '{name}'; there are {', '.join(known)}")
        return self.works or known


@dataclass(frozen=True, kw_only=True)
class Case:
    """One side of a comparison.

    Attributes:
        name: of the row in tables.
        question: cases of one question must have the same checksum.
        measure: runs it once; its line has a ``checksum``.
        is_slow: measured in the first round only.
    """

    name: str
    question: str
    measure: Callable[[], Line]
    is_slow: bool = False


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be reached: the median of `of`, or its ratio to that of `to`, in one measure."""

    measure: str
    of: str
    to: str = ""
    at_least: float = 0.0
    at_most: float = float("inf")

    @property
    def name(self) -> str:
        """What is compared, and the bound."""
        bound = f">= {self.at_least:g}" if self.at_least else f"<= {self.at_most:g}"
        return f"{self.measure} of {self.of}{' / ' if self.to else ''}{self.to} {bound}"


@dataclass(kw_only=True)
class Recorder:
    """Prints every measurement as one JSON line and keeps it in a file; the table is printed from them."""

    name: str
    lines: list[Line] = field(default_factory=list)
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"))

    def add(self, line: Line) -> None:
        """Keep one line."""
        line = {"benchmark": self.name, **line}
        self.lines.append(line)
        text = json.dumps(line)
        print(text, flush=True)
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{self.name}-{self.started}.jsonl").open("a") as file:
            file.write(f"{text}\n")

    def values(self, case: str, measure: str) -> list[float]:
        """All values of one measure of one case."""
        return [float(str(line[measure])) for line in self.lines if line.get("case") == case and measure in line]

    def median(self, case: str, measure: str) -> float | None:
        """The median of one measure of one case."""
        found = self.values(case, measure)
        return statistics.median(found) if found else None

    def ratio(self, measure: str, ours: str, other: str) -> float | None:
        """How many times less of `measure` we use."""
        us, them = self.median(ours, measure), self.median(other, measure)
        return None if us is None or them is None or us == 0 else round(them / us, 2)

    def summarize(
        self, measures: Sequence[str], *, ours: str, other: str | None = None, goals: Sequence[Goal] = ()
    ) -> None:
        """Add a last line: medians per case, ratios of `other` to `ours`, and which goals are reached."""
        cases = list(dict.fromkeys(str(line["case"]) for line in self.lines if "case" in line))
        medians = {case: {measure: self.median(case, measure) for measure in measures} for case in cases}
        summary: Line = {"summary": medians, "machine": f"{platform.machine()} {platform.python_version()}"}
        if other is not None and other in cases:
            summary["ratio"] = {measure: self.ratio(measure, ours, other) for measure in measures}
            summary["of"] = f"{other} / {ours}"
        print_table(self.name, medians, measures)
        for goal in goals:
            self._judge(goal, summary)
        self.add(summary)

    def _judge(self, goal: Goal, summary: Line) -> None:
        reached = self.ratio(goal.measure, goal.to, goal.of) if goal.to else self.median(goal.of, goal.measure)
        if reached is None:
            return
        is_met = goal.at_least <= reached <= goal.at_most
        summary[goal.name] = [reached, is_met]
        print(f"{'reached' if is_met else 'MISSED'}: {goal.name}: {reached:g}", file=sys.stderr)


def print_table(name: str, medians: dict[str, dict[str, float | None]], measures: Sequence[str]) -> None:
    """Print medians for people, on stderr."""
    width = max([len(case) for case in medians] + [12])
    print(f"\n{name:{width}}" + "".join(f"{measure:>14}" for measure in measures), file=sys.stderr)
    for case, row in medians.items():
        cells = ("-" if row[measure] is None else f"{row[measure]:,.3f}" for measure in measures)
        print(f"{case:{width}}" + "".join(f"{cell:>14}" for cell in cells), file=sys.stderr)


def run(module: str, *arguments: str, feast: bool = False) -> list[Line]:
    """Run a module of ours in a fresh process; returns the JSON lines it printed."""
    python = str(feast_python()) if feast else sys.executable
    command = [python, "-W", "ignore", "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]


def in_turn(sides: dict[str, Callable[[], list[Line]]], recorder: Recorder, rounds: int) -> None:
    """Measure each side once per round, one after the other."""
    for number in range(rounds):
        for case, measure in sides.items():
            for line in measure():
                recorder.add({"case": case, "round": number, **line})


def compare(cases: Sequence[Case], recorder: Recorder, rounds: int) -> None:
    """Measure each case once per round, one after the other; ends the run where two do not answer the same."""
    answers: dict[str, Line] = {}
    for number in range(rounds):
        for case in cases:
            if number and case.is_slow:
                continue
            line = {"case": case.name, "question": case.question, "round": number, **case.measure()}
            first = answers.setdefault(case.question, line)
            if line["checksum"] != first["checksum"]:
                sys.exit(f"'{case.name}' does not answer as '{first['case']}' does: {line} {first}")
            recorder.add(line)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="featurestore-bench-") as made:
        yield Path(made)
