"""Apply 1,000 views from an existing manifest into an empty registry, in a fresh process; Feast's once, being slow."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import Line, Options, Recorder, folder, in_turn, run
from benchmarks.data import ensure
from benchmarks.project import Model, on_duckdb, write_files
from benchmarks.question import DAY_S

if TYPE_CHECKING:
    from pathlib import Path

VIEWS = 1_000
MEASURES = ("wall_s", "cpu_s", "process_cpu_s", "peak_mib")


def main(options: Options) -> None:
    """Measure; with Feast only if asked for slow ones."""
    size = ensure("S")
    recorder = Recorder(name="apply")
    with folder() as place:
        models = [
            Model(name=f"view_{number}", table=f"driver_{number % size.views}", ttl_s=7 * DAY_S)
            for number in range(VIEWS)
        ]
        project = write_files(place / "ours", models, on_duckdb(size.database))
        in_turn({"ours": partial(_ours, project)}, recorder, options.rounds)
        if options.with_feast and options.slow:
            arguments = ("--folder", str(place / "feast"), "--views", str(VIEWS))
            in_turn({"feast": partial(run, "feast_side", "apply", *arguments, feast=True)}, recorder, 1)
    recorder.summarize(MEASURES, ours="ours", other="feast")


def _ours(project: Path) -> list[Line]:
    shutil.rmtree(project / ".featurestore", ignore_errors=True)
    return run("our_side", "apply", "--folder", str(project))
