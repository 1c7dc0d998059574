"""What starting costs: CPU milliseconds of ``featurestore --help``, of our imports, and of Feast's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Line, Options, Recorder, in_turn
from benchmarks.feast_env import feast_python

if TYPE_CHECKING:
    from collections.abc import Callable

MEASURES = ("cpu_ms",)


def main(options: Options) -> None:
    """Measure, each after one run that is not counted."""
    ours = Path(sys.executable)
    commands: dict[str, list[str]] = {
        "python -c pass": [str(ours), "-c", "pass"],
        "featurestore --help": [str(ours.parent / "featurestore"), "--help"],
        "import featurestore": [str(ours), "-c", "import featurestore"],
        "import featurestore.serving": [str(ours), "-c", "import featurestore.serving"],
    }
    if options.with_feast:
        feast = feast_python()
        commands["feast version"] = [str(feast.parent / "feast"), "version"]
        commands["import feast"] = [str(feast), "-c", "import feast"]
    recorder = Recorder(name="startup")
    for command in commands.values():
        _cpu_ms(command)
    in_turn({case: _measure(command) for case, command in commands.items()}, recorder, options.rounds)
    recorder.summarize(MEASURES, ours="featurestore --help", other="feast version")


def _measure(command: list[str]) -> Callable[[], list[Line]]:
    return lambda: [{"cpu_ms": _cpu_ms(command)}]


def _cpu_ms(command: list[str]) -> float:
    """CPU time of one process and its children, all threads."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return round(1000 * (user + system), 1)
