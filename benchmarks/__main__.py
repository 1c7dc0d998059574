"""Run benchmarks: ``python -m benchmarks [NAME ...] [--quick] [--no-feast] [--slow] [--repetitions N]``.

Prints one JSON line per measurement on stdout (kept in ``benchmarks/results/`` too) and a table on stderr.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks.bench import Options

NAMES = ("startup", "apply", "historical", "sync", "lookup")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; all by default: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small data, one round: does it run at all")
    parser.add_argument("--no-feast", action="store_true", help="our side only")
    parser.add_argument("--slow", action="store_true", help="also Feast's slow ones: apply of 1,000 views, 10M rows")
    parser.add_argument("--repetitions", type=int, default=5, help="rounds of each comparison (5)")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"no benchmark '{name}'; there are {', '.join(NAMES)}")
    options = Options(
        quick=arguments.quick,
        with_feast=not arguments.no_feast,
        slow=arguments.slow,
        repetitions=arguments.repetitions,
    )
    for name in arguments.names or NAMES:
        import_module(f"benchmarks.{name}").main(options)


if __name__ == "__main__":
    main()
