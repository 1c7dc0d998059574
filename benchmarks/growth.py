"""How the time grows: against the rows of a view, and against the number of views; drawn into docs/images/growth.svg.

Examples stay 100k. More rows mean more keys (100 rows each), so an example sees as many rows as before: what grows is
what has to be read, sorted or hashed.
``python -m benchmarks.growth RESULTS.jsonl`` draws the picture again from the lines of a run.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import ROOT, Case, Line, Options, Recorder, compare, folder
from benchmarks.data import SIZES, ensure
from benchmarks.plot import Curve, Guide, Panel, draw
from benchmarks.question import DAY_S, Question
from benchmarks.sides import ours, peer

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGE = ROOT / "docs" / "images" / "growth.svg"
MEASURES = ("wall_s", "cpu_s", "peak_mib")
SIDES = ("ours", "polars")
NAME = "growth"


def main(options: Options) -> None:
    """Measure and draw; ``quick`` draws nothing that is kept."""
    sizes = ("R10K", "R30K") if options.quick else ("R1M", "R3M", "R10M", "R30M")
    views, size = ((1, 2), "S") if options.quick else ((1, 2, 5, 10, 20), "M")
    asked = {
        **{f"rows {SIZES[name].rows}": Question(size=ensure(name), views=1, ttl_s=7 * DAY_S) for name in sizes},
        **{f"views {count}": Question(size=ensure(size), views=count, ttl_s=7 * DAY_S) for count in views},
    }
    recorder = Recorder(name=NAME)
    with folder() as place:
        cases: list[Case] = []
        for name, question in asked.items():
            cases.append(ours(place, question, f"ours, {name}"))
            cases.append(peer(place, question, f"polars, {name}", "polars"))
        compare(cases, recorder, options.rounds)
        recorder.summarize(MEASURES, ours=f"ours, {next(iter(asked))}")
        image = place / "growth.svg" if options.quick else IMAGE
        write_image(recorder.lines, image)
    for axis, bound in () if options.quick else (("rows", _n_log_n), ("views", _linear)):
        print(f"ours against {axis}: {_against(recorder.lines, axis, bound)}", file=sys.stderr)


def write_image(lines: Iterable[Line], image: Path) -> None:
    """Draw the medians of a run."""
    kept = list(lines)
    label = "CPU seconds (user + system, all threads)"
    panels = [
        Panel(
            title="Growth with rows",
            subtitle="100k examples, 1 view of 8 features, ttl 7 days",
            x_label="rows of the view (100 per key)",
            y_label=label,
            curves=_curves(kept, "rows"),
            guides=(Guide(name="n log n", grow=_n_log_n), Guide(name="n", grow=_linear)),
        ),
        Panel(
            title="Growth with views",
            subtitle="100k examples, 1M rows and 8 features a view, ttl 7 days",
            x_label="views",
            y_label=label,
            curves=_curves(kept, "views"),
            guides=(Guide(name="linear", grow=_linear),),
        ),
    ]
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_text(draw(panels))


def _curves(lines: list[Line], axis: str) -> tuple[Curve, ...]:
    return tuple(Curve(name=side, points=_points(lines, side, axis)) for side in SIDES)


def _points(lines: list[Line], side: str, axis: str) -> tuple[tuple[float, float], ...]:
    kept = Recorder(name=NAME, lines=lines)
    names = dict.fromkeys(str(line["case"]) for line in lines if str(line.get("case")).startswith(f"{side}, {axis} "))
    medians = {float(name.rpartition(" ")[2]): kept.median(name, "cpu_s") for name in names}
    return tuple(sorted((x, y) for x, y in medians.items() if y is not None))


def _against(lines: list[Line], axis: str, bound) -> str:
    """The last point against what the bound would make of the first."""
    (first_x, first_y), *_, (last_x, last_y) = _points(lines, "ours", axis)
    grown, allowed = last_y / first_y, bound(last_x) / bound(first_x)
    verdict = "within" if grown <= 1.1 * allowed else "BEYOND"  # a tenth is what medians are uncertain by
    return f"x{last_x / first_x:g} takes x{grown:.1f} CPU seconds, {verdict} x{allowed:.1f}"


def _linear(n: float) -> float:
    return n


def _n_log_n(n: float) -> float:
    return n * math.log(n)


def _redraw() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    text = parser.parse_args().results.read_text()
    write_image([json.loads(line) for line in text.splitlines()], IMAGE)


if __name__ == "__main__":
    _redraw()
