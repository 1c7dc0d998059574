"""One plan, and one apply of it if asked for, in a fresh process; the modules are loaded before the clock starts.

Usage: ``python -m benchmarks.plan_side --folder FOLDER [--anew] [--apply]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clock import peak_mib

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Plan; ``plan_ms`` is the whole of it less what reading the manifest takes, which is measured apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--anew", action="store_true", help="into an empty registry")
    parser.add_argument("--apply", action="store_true")
    arguments = parser.parse_args()
    from featurestore import FeatureStore
    from featurestore.garbage import uncollected

    for name in ("impact.review", "impact.guard", "manifest.read", "warehouse.duckdb"):
        import_module(f"featurestore.{name}")
    if arguments.anew:
        shutil.rmtree(arguments.folder / ".featurestore", ignore_errors=True)
    store = FeatureStore(arguments.folder)
    with uncollected():
        manifest_ms, _ = _timed(store.workspace.manifest)
    plan_ms, planned = _timed(store.plan)
    line: dict[str, Any] = {"manifest_ms": manifest_ms, "plan_ms": plan_ms - manifest_ms}
    line["changes"] = len(planned.changes.changes)
    if arguments.apply:
        line["apply_ms"], _ = _timed(lambda: store.apply(planned))
    line["peak_mib"] = round(peak_mib(), 1)
    print(json.dumps({name: round(value, 1) for name, value in line.items()}))


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = do()
    return (time.perf_counter() - start) * 1000, done


if __name__ == "__main__":
    main()
