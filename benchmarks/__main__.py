"""Run benchmarks: ``python -m benchmarks [NAME[:WORK,...] ...] [--quick] [--no-feast] [--slow] [--repetitions N]``.

Prints one JSON line per measurement on stdout (kept in ``benchmarks/results/`` too) and a table on stderr.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks.bench import Options

NAMES = (
    "startup",
    "apply",
    "plan",
    "registry_open",
    "point_in_time",
    "postgres",
    "crossover",
    "growth",
    "encode",
    "sync",
    "sync_growth",
    "stores",
    "redis_store",
    "lookup",
    "server",
    "stream",
    "push",
)
_WHICH = f"which; all by default: {', '.join(NAMES)}; parts of one as in point_in_time:M,MD"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=_WHICH)
    parser.add_argument("--quick", action="store_true", help="small data, one round: does it run at all")
    parser.add_argument("--no-feast", action="store_true", help="our side only")
    parser.add_argument(
        "--slow", action="store_true", help="also the slow ones: five views of 10M rows, Feast's apply and sync"
    )
    parser.add_argument("--repetitions", type=int, default=5, help="rounds of each comparison (5)")
    arguments = parser.parse_args()
    for asked in arguments.names or NAMES:
        name, _, works = asked.partition(":")
        if name not in NAMES:
            parser.error(f"no benchmark '{name}'; there are {', '.join(NAMES)}")
        options = Options(
            quick=arguments.quick,
            with_feast=not arguments.no_feast,
            slow=arguments.slow,
            repetitions=arguments.repetitions,
            works=tuple(filter(None, works.split(","))),
        )
        import_module(f"benchmarks.{name}").main(options)


if __name__ == "__main__":
    main()
