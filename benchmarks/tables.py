"""Results as the Markdown tables of docs/benchmarks.md: ``python -m benchmarks.tables benchmarks/results/*.jsonl``.

Of each benchmark the newest file counts; figures are the medians of its summary line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

TITLES = {"wall_s": "wall s", "cpu_s": "CPU s", "process_cpu_s": "CPU s with imports", "server_cpu_s": "server CPU s",
          "peak_mib": "peak MiB", "cpu_ms": "CPU ms", "p50_ms": "p50 ms", "p99_ms": "p99 ms",
          "p99_per_p50": "p99 / p50", "rows_per_s": "rows/s"}  # fmt: skip


def main() -> None:
    """Print a table for each benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    newest: dict[str, dict[str, Any]] = {}
    for path in sorted(parser.parse_args().results, key=lambda path: path.name.rpartition("-")[2]):
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        newest |= {line["benchmark"]: line for line in lines if "summary" in line}
    for name, line in newest.items():
        print(f"{name}\n\n{table(line['summary'])}\n")
        print("".join(f"- {goal}: {value[0]:g}{'' if value[1] else ' (missed)'}\n" for goal, value in _goals(line)))


def table(medians: dict[str, dict[str, float | None]]) -> str:
    """One row per case, one column per measure."""
    measures = list(next(iter(medians.values())))
    lines = ["| | " + " | ".join(TITLES.get(measure, measure) for measure in measures) + " |"]
    lines.append("|---|" + "---|" * len(measures))
    for case, row in medians.items():
        lines.append(f"| {case} | " + " | ".join(_figure(row[measure]) for measure in measures) + " |")
    return "\n".join(lines)


def _goals(line: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in line.items() if isinstance(value, list)]


def _figure(value: float | None) -> str:
    """Three digits, as many as are worth reading."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
