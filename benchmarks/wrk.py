"""A closed loop driven by wrk, where it is installed: a generator that costs a tenth of one in Python.

One thread, requests in turn from a file of bodies. Its line is that of `load`, but that errors are by kind of wrk's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Line

_SCRIPT = """
local bodies, headers, asked = {}, {}, 0
for line in io.lines(%s) do bodies[#bodies + 1] = line end
headers["Content-Type"] = "application/json"
%s
function request()
  asked = asked %% #bodies + 1
  return wrk.format("POST", "/get-online-features", headers, bodies[asked])
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"seconds": %%f, "answered": %%d, "p50_ms": %%.3f, "p99_ms": %%.3f, "p999_ms": %%.3f, "max_ms": %%.3f, ' ..
    '"connect": %%d, "read": %%d, "write": %%d, "status": %%d, "timeout": %%d}\\n',
    summary.duration / 1e6, summary.requests, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency:percentile(99.9) / 1000, latency.max / 1000,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"""


def is_installed() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def command(port: int, bodies: Path, seconds: float, *, connections: int, header: str) -> Sequence[str]:
    """Write the script beside the bodies; returns how to run it."""
    name, _, value = header.partition(": ")
    more = f"headers[{json.dumps(name)}] = {json.dumps(value)}" if header else ""
    script = bodies.with_suffix(".lua")
    script.write_text(_SCRIPT % (json.dumps(str(bodies)), more))
    url = f"http://127.0.0.1:{port}/"
    return ("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url)


def line_of(out: str) -> Line:
    """The measures of a run, of what wrk printed."""
    said = json.loads(out.rstrip().rpartition("\n")[2])
    kinds = {kind: said[kind] for kind in ("connect", "read", "write", "status", "timeout") if said[kind]}
    measured = {name: said[name] for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}
    return {
        "per_s": round(said["answered"] / said["seconds"], 1),
        **measured,
        "errors": sum(kinds.values()),
        "kinds": kinds,
        "generator": "wrk",
    }
