"""What one process has used: wall time, CPU time of all threads, greatest resident memory. Standard library only."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Used:
    """Wall and CPU seconds of a stretch of work; filled in at its end."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def measured() -> Iterator[Used]:
    """Measure the work inside ``with``."""
    used = Used()
    wall, cpu = time.perf_counter(), _cpu_s()
    yield used
    used.wall_s, used.cpu_s = time.perf_counter() - wall, _cpu_s() - cpu


def peak_mib() -> float:
    """The greatest resident memory of this process so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    per_mib = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


def report(used: Used, **more: object) -> None:
    """Print a process's measurement as one JSON line: the last line that its parent reads."""
    line = {
        "wall_s": round(used.wall_s, 4),
        "cpu_s": round(used.cpu_s, 4),
        "process_cpu_s": round(_cpu_s(), 3),
        "peak_mib": round(peak_mib(), 1),
        **more,
    }
    print(json.dumps(line), flush=True)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system
