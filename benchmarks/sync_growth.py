"""How a sync grows: with entities, views and features, in time and in memory; drawn into docs/images/sync-growth.svg.

Every row has a key of its own, and goes into an empty Valkey; and along the entities into an empty SQLite, too.
``python -m benchmarks.sync_growth RESULTS.jsonl`` draws the picture again from the lines of a run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import ROOT, Line, Options, Recorder, folder, in_turn
from benchmarks.data import SIZES, ensure
from benchmarks.plot import Curve, Guide, Panel, draw
from benchmarks.question import NO_TTL, Question
from benchmarks.sync import ours
from benchmarks.valkey import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

IMAGE = ROOT / "docs" / "images" / "sync-growth.svg"
MEASURES = ("wall_s", "cpu_s", "peak_mib")
NAME = "sync_growth"
SQLITE = "sqlite, "
ENTITIES, VIEWS, FEATURES = ("K10", "K100", "K1M", "K3M"), (1, 2, 5, 10, 20), ("K20", "K20W", "K20W200", "K20W500")


def main(options: Options) -> None:
    """Measure and draw; ``quick`` takes the small half and draws nothing that is kept."""
    entities = ENTITIES[:2] if options.quick else ENTITIES
    asked = {
        **{f"entities {SIZES[name].entities}": (name, 1) for name in entities},
        **{f"{SQLITE}entities {SIZES[name].entities}": (name, 1) for name in entities},
        **{f"views {count}": ("K100", count) for count in (VIEWS[:2] if options.quick else VIEWS)},
        **{f"features {SIZES[name].width}": (name, 1) for name in (FEATURES[:2] if options.quick else FEATURES)},
    }
    recorder = Recorder(name=NAME)
    with folder() as place, server(place) as uri:
        if uri is None:
            sys.exit("no Valkey or Redis server on this machine")
        sides: dict[str, Callable[[], list[Line]]] = {}
        for number, (case, (name, views)) in enumerate(asked.items()):
            question = Question(size=ensure(name), views=views, ttl_s=NO_TTL)
            online = "" if case.startswith(SQLITE) else uri
            sides[case] = ours(place / f"project-{number}", question, online).measure
        in_turn(sides, recorder, options.rounds)
        write_image(recorder.lines, place / "growth.svg" if options.quick else IMAGE)
    recorder.summarize(MEASURES, ours=next(iter(asked)))


def write_image(lines: Iterable[Line], image: Path) -> None:
    """Draw the medians of a run."""
    kept = list(lines)
    linear = (Guide(name="linear", grow=lambda n: n),)
    panels = [
        _panel(kept, "entities", "wall_s", "1 view of 8 features", linear),
        _panel(kept, "entities", "peak_mib", "the same runs", ()),
        _panel(kept, "views", "wall_s", "100k entities and 8 features each", linear),
        _panel(kept, "features", "wall_s", "20k entities, 1 view", linear),
    ]
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_text(draw(panels))


def _panel(lines: list[Line], axis: str, measure: str, subtitle: str, guides: tuple[Guide, ...]) -> Panel:
    title, label = ("Time", "seconds") if measure == "wall_s" else ("Memory", "greatest resident memory, MiB")
    recorder = Recorder(name=NAME, lines=lines)
    curves = []
    for name, start in (("Valkey", f"{axis} "), ("SQLite", f"{SQLITE}{axis} ")):
        cases = dict.fromkeys(str(line["case"]) for line in lines if str(line.get("case")).startswith(start))
        medians = {float(case.removeprefix(start)): recorder.median(case, measure) for case in cases}
        points = tuple(sorted((x, y) for x, y in medians.items() if y is not None))
        curves += [Curve(name=name, points=points)] if points else []
    return Panel(
        title=f"{title} of a sync against {axis}",
        subtitle=subtitle,
        x_label=axis,
        y_label=label,
        curves=tuple(curves),
        guides=guides,
    )


def _redraw() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    text = parser.parse_args().results.read_text()
    write_image([json.loads(line) for line in text.splitlines()], IMAGE)


if __name__ == "__main__":
    _redraw()
