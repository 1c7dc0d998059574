"""Feast's side of each comparison; runs in Feast's own environment, one measurement per process.

Usage: ``python -m benchmarks.feast_side COMMAND ARGS...`` with the interpreter of `benchmarks.feast_env`.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from benchmarks.clock import measured, peak_mib, report
from benchmarks.data import SIZES
from benchmarks.question import Question, add_arguments, question_of

END = datetime(2026, 4, 30, tzinfo=timezone.utc)


def _repository(folder: Path, online: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    store = (
        f"type: redis\n  connection_string: {online.removeprefix('redis://').removesuffix('/0')}"
        if online.startswith("redis")
        else f"type: sqlite\n  path: {folder / 'online.db'}"
    )
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {folder / 'registry.db'}\noffline_store:\n  type: duckdb\n"
        f"online_store:\n  {store}\nentity_key_serialization_version: 3\n"
    )


def _views(question: Question, *, is_pushed: bool) -> list[object]:
    from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
    from feast.types import Bool, Float32, Float64, Int32, Int64, String

    types = {"BIGINT": Int64, "INTEGER": Int32, "DOUBLE": Float64, "FLOAT": Float32, "VARCHAR": String, "BOOLEAN": Bool}
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    made: list[object] = [driver]
    for number in range(question.views):
        ttl_s = question.view_ttl_s(number)
        source = FileSource(
            name=f"source_{number}",
            path=str(question.size.parquet(question.table_of(number))),
            timestamp_field="event_ts",
            created_timestamp_column="created_ts",
        )
        made.append(
            FeatureView(
                name=f"driver_{number}",
                entities=[driver],
                ttl=timedelta(seconds=ttl_s or 0),  # nought is no limit
                schema=[
                    Field(name="driver_id", dtype=Int64),
                    *(Field(name=name, dtype=types[kind]) for name, kind in question.size.features.items()),
                ],
                source=PushSource(name=f"driver_{number}", batch_source=source) if is_pushed else source,
            )
        )
    return made


def setup(arguments: argparse.Namespace) -> None:
    """Make and apply a repository."""
    from feast import FeatureStore

    folder = Path(arguments.folder)
    _repository(folder, arguments.online)
    with measured() as used:
        FeatureStore(repo_path=str(folder)).apply(_views(question_of(arguments), is_pushed=arguments.push_source))
    report(used)


def historical(arguments: argparse.Namespace) -> None:
    """Historical retrieval to Arrow."""
    import pandas as pd
    import pyarrow.parquet as pq
    from feast import FeatureStore

    question = question_of(arguments)
    store = FeatureStore(repo_path=arguments.folder)
    examples = pd.read_parquet(question.size.parquet(question.spine))
    start_mib = peak_mib()
    with measured() as used:
        table = store.get_historical_features(
            entity_df=examples, features=question.references, full_feature_names=True
        ).to_arrow()
    report(used, rows=table.num_rows, start_mib=round(start_mib, 1))
    if arguments.out:
        pq.write_table(table, arguments.out)


def materialize(arguments: argparse.Namespace) -> None:
    """Copy the newest rows of the first view (or all views) online."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=arguments.folder)
    with measured() as used:
        store.materialize(
            datetime(2025, 12, 1, tzinfo=timezone.utc), END, feature_views=None if arguments.all else ["driver_0"]
        )
    report(used, rows=SIZES[arguments.size].entities)


def push(arguments: argparse.Namespace) -> None:
    """Write frames online through the SDK."""
    from feast import FeatureStore

    from benchmarks.push import pushed

    store = FeatureStore(repo_path=arguments.folder)
    print(
        json.dumps(
            pushed(arguments.size, lambda frame: store.write_to_online_store("driver_0", frame), arguments.rounds)
        )
    )


def lookup(arguments: argparse.Namespace) -> None:
    """Online lookups through the SDK; the views were materialized before."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=arguments.folder)
    from benchmarks.lookup import cases, latencies

    size = question_of(arguments).size
    for case in cases(size, arguments.views):
        references = Question(size=size, views=case.views).references

        def ask(ids: list[int], references: list[str] = references) -> object:
            return store.get_online_features(
                references, [{"driver_id": number} for number in ids], full_feature_names=True
            ).to_dict()

        print(latencies(case, ask, arguments.seconds), flush=True)


def apply(arguments: argparse.Namespace) -> None:
    """Apply many views, as ``feast apply`` does, with the definitions in a Python file."""
    import subprocess
    import sys

    folder = Path(arguments.folder)
    _repository(folder, "sqlite")
    (folder / "views.py").write_text(_many_views(arguments.views, SIZES["S"].parquet("driver_0")))
    started = time.perf_counter()
    command = [str(Path(sys.executable).parent / "feast"), "--chdir", str(folder), "apply", "--skip-source-validation"]
    with measured() as used:
        subprocess.run(command, check=True, capture_output=True)
    used.wall_s = time.perf_counter() - started
    report(used, views=arguments.views)


def _many_views(count: int, path: Path) -> str:
    return f"""
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
for n in range({count}):
    globals()[f"source_{{n}}"] = source = FileSource(
        name=f"source_{{n}}", path="{path}", timestamp_field="event_ts", created_timestamp_column="created_ts")
    globals()[f"view_{{n}}"] = FeatureView(
        name=f"view_{{n}}", entities=[driver], ttl=timedelta(days=7), source=source,
        schema=[Field(name="driver_id", dtype=Int64)] + [Field(name=f"feature_{{k}}", dtype=Float64) for k in range(8)])
"""


def make_registry(arguments: argparse.Namespace) -> None:
    """Write a registry file of 1,000 views of 50 features, as apply would; without the minutes that it takes."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.protos.feast.core.Registry_pb2 import ProjectMetadata, Registry
    from feast.types import Float64, Int64

    folder = Path(arguments.folder)
    _repository(folder, "sqlite")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    features = [Field(name=f"feature_{at}", dtype=Float64, description="Their total.") for at in range(50)]
    registry = Registry(registry_schema_version="1", version_id="1")
    registry.project_metadata.append(ProjectMetadata(project="bench", project_uuid="1"))
    registry.last_updated.FromDatetime(datetime(2026, 4, 30))  # noqa: DTZ001
    for number in range(1_000):
        source = FileSource(name=f"source_{number}", path="driver.parquet", timestamp_field="event_ts")
        view = FeatureView(
            name=f"view_{number}",
            entities=[driver],
            ttl=timedelta(days=7),
            source=source,
            schema=[Field(name="driver_id", dtype=Int64), *features],
        )
        proto = view.to_proto()
        proto.spec.project = "bench"
        registry.feature_views.append(proto)
    entity = driver.to_proto()
    entity.spec.project = "bench"
    registry.entities.append(entity)
    (folder / "registry.db").write_bytes(registry.SerializeToString())


def open_registry(arguments: argparse.Namespace) -> None:
    """Open the store and ask for one view."""
    from feast import FeatureStore

    with measured() as used:
        view = FeatureStore(arguments.folder).get_feature_view("view_500")
    assert len(view.features) == 50
    report(used, open_ms=round(used.wall_s * 1000, 2))


COMMANDS = {
    command.__name__: command
    for command in (setup, historical, materialize, push, lookup, apply, make_registry, open_registry)
}


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--folder", required=True)
    add_arguments(parser)
    parser.add_argument("--online", default="sqlite")
    parser.add_argument("--all", action="store_true", help="materialize all views")
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--push-source", action="store_true", help="views that can be pushed to")
    parser.add_argument("--rounds", type=int, default=10, help="how often to push")
    arguments = parser.parse_args()
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
