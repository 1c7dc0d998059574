"""Our side of each comparison, through the public interface; one measurement per process.

Usage: ``python -m benchmarks.our_side COMMAND ARGS...``
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.clock import measured, peak_mib, report
from benchmarks.question import Question, add_arguments, question_of


def _import_what_feast_imports(warehouse: str = "duckdb") -> None:
    """Load now what we would load on first use; ``import feast`` has loaded its own before its clock starts."""
    modules = ("training.request", "sql.point_in_time", "materialize.run", "online.encode", f"warehouse.{warehouse}")
    for name in modules:
        import_module(f"featurestore.{name}")


def historical(arguments: argparse.Namespace) -> None:
    """Historical retrieval; to Arrow, held, or with ``--to parquet`` into the file, which the clock includes then."""
    import pyarrow.parquet as pq

    from featurestore import FeatureStore

    _import_what_feast_imports(arguments.warehouse)
    question = question_of(arguments)
    store = FeatureStore(arguments.folder)
    examples: object = f"SELECT * FROM {question.spine}"
    if arguments.examples == "frame":
        import pandas as pd

        examples = pd.read_parquet(question.size.parquet(question.spine))
    forced = {"strategy": arguments.strategy} if arguments.strategy else {}
    start_mib = peak_mib()
    with measured() as used:
        asked = store.get_historical_features(examples, features=question.references, full_feature_names=True, **forced)
        if arguments.to == "arrow":
            table = asked.to_arrow()
        else:
            asked.to_parquet(arguments.out)
    report(used, start_mib=round(start_mib, 1))
    if arguments.to == "arrow":
        pq.write_table(table, arguments.out)


class _WithoutPandas:
    """Finds no pandas, as where none is installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if name == "pandas":
            raise ModuleNotFoundError(name)


def materialize(arguments: argparse.Namespace) -> None:
    """Copy the newest rows of the first view (or all views) online; all of them, whatever was synced before.

    As where this package was installed without extras: pyarrow imports pandas if it finds it, which no sync needs.
    """
    sys.meta_path.insert(0, _WithoutPandas())
    from featurestore import FeatureStore
    from featurestore.materialize.sync import SyncResult

    _import_what_feast_imports()
    store = FeatureStore(arguments.folder)
    with measured() as used:
        views = None if arguments.all else ["driver_0"]
        # A range reads all rows, too, but looks for no keys that vanished.
        asked = {"start": "1970-01-01"} if arguments.as_range else {"full": True}
        results = store.materialize(views, **asked)
    done = [result for result in results if isinstance(result, SyncResult)]
    assert len(done) == len(results), results
    rows, written = sum(result.rows_read for result in done), sum(result.rows_written for result in done)
    assert rows == written > 0, (rows, written)
    report(used, rows=rows)


def push(arguments: argparse.Namespace) -> None:
    """Push frames online; the view was materialized before."""
    from benchmarks.push import pushed
    from featurestore import FeatureStore

    store = FeatureStore(arguments.folder)
    print(json.dumps(pushed(arguments.size, lambda frame: store.push("driver_0", frame), arguments.rounds)))


def lookup(arguments: argparse.Namespace) -> None:
    """Online lookups through the lookup client; the views were materialized before, or are with ``--all``."""
    from benchmarks.lookup import cases, latencies
    from featurestore.serving import open_client

    question = question_of(arguments)
    if arguments.all:
        from featurestore import FeatureStore

        FeatureStore(arguments.folder).materialize()
    with open_client(arguments.folder, online_store=arguments.online or None) as client:
        for case in cases(question.size, arguments.views):
            references = Question(size=question.size, views=case.views).references

            def ask(ids: list[int], references: list[str] = references) -> dict[str, list[object]]:
                rows = [{"driver_id": number} for number in ids]
                return client.get_online_features(references, rows, full_feature_names=True).to_dict()

            assert None not in ask([1, 2])["driver_0__trips"], "the rows are there"
            print(latencies(case, ask, arguments.seconds), flush=True)


def apply(arguments: argparse.Namespace) -> None:
    """Apply a manifest to an empty registry."""
    from featurestore import FeatureStore

    with measured() as used:
        applied = FeatureStore(arguments.folder).apply()
    report(used, views=len(applied.document.content.views))


COMMANDS = {command.__name__: command for command in (historical, materialize, push, lookup, apply)}


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--folder", type=Path, required=True)
    add_arguments(parser)
    parser.add_argument("--examples", default="table", choices=("table", "frame"), help="a table, or a pandas frame")
    parser.add_argument("--to", default="arrow", choices=("arrow", "parquet"))
    parser.add_argument("--warehouse", default="duckdb", help="the module of `featurestore.warehouse` to load early")
    parser.add_argument("--strategy", default="", help="force one; ours to choose by default")
    parser.add_argument("--online", default="")
    parser.add_argument("--as-range", action="store_true", help="materialize without a look for vanished keys")
    parser.add_argument("--all", action="store_true", help="materialize all views")
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=10, help="how often to push")
    arguments = parser.parse_args()
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
