"""Feast's half, run with the interpreter that has Feast: a repository of the shop, and the stock client.

Usage: ``python feast_side.py repository FOLDER REDIS``, or ``python feast_side.py client URL KEY``, which reads
questions and writes answers, a line each; or ``python feast_side.py values FOLDER EXAMPLES``, which applies and
materializes a repository and writes, a line of JSON each, its training set and what it serves.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path


def repository(folder: Path, redis: str) -> None:
    """Make, apply and materialize a repository over the Parquet files of a folder, online in Redis."""
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String

    (folder / "feature_store.yaml").write_text(
        f"project: shop\nprovider: local\nregistry: {folder / 'registry.db'}\noffline_store:\n  type: duckdb\n"
        f"online_store:\n  type: redis\n  connection_string: {redis}\nentity_key_serialization_version: 3\n"
    )
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    code = Entity(name="code", join_keys=["code"], value_type=ValueType.STRING)

    def view(name, entities, fields, ttl):
        source = FileSource(name=name, path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp")
        schema = [Field(name=each, dtype=kind) for each, kind in fields.items()]
        return FeatureView(name=name, entities=entities, ttl=ttl, schema=schema, source=source)

    key = {"customer_id": Int64}
    stats = {"i64": Int64, "i32": Int32, "f64": Float64, "f32": Float32, "txt": String, "flag": Bool}
    views = [
        view("stats", [customer], {**key, **stats, "items": Array(Int64)}, timedelta(0)),
        view("recent", [customer], {**key, "n": Int64}, timedelta(days=1)),
        view("pairs", [customer, code], {**key, "code": String, "n": Int64}, timedelta(0)),
    ]
    services = [
        FeatureService(name="numbers", features=[views[0][["i64", "f64"]]]),
        FeatureService(name="mixed", features=[views[0][["txt"]], views[2][["n"]]]),
    ]
    store = FeatureStore(repo_path=str(folder))
    store.apply([customer, code, *views, *services])
    store.materialize(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc))


def client(url: str, key: str) -> None:
    """Ask a server what each line of the input says, by the stock client; writes a line per answer."""
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64, String

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "feature_store.yaml").write_text(
            f"project: shop\nprovider: local\nregistry: {folder}/none.db\n"
            f"online_store:\n  type: remote\n  path: {url}\n  connection_retries: 1\n"
            "entity_key_serialization_version: 3\n" + (f"auth:\n  type: oidc\n  token: {key}\n" if key else "")
        )
        store = FeatureStore(repo_path=folder)
        customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
        types = {"customer_id": Int64, "i64": Int64, "txt": String, "f64": Float64}
        fields = [Field(name=name, dtype=kind) for name, kind in types.items()]
        source = FileSource(name="none", path=f"{folder}/none.parquet", timestamp_field="event_timestamp")
        written = FeatureView(name="written", entities=[customer], schema=fields, source=source)
        for line in sys.stdin:
            asked = json.loads(line)
            if "write" in asked:
                print(json.dumps(_written(store, customer, written, asked)), flush=True)
                continue
            features = asked.get("features") or FeatureService(name=asked["feature_service"], features=[])
            try:
                response = store.get_online_features(
                    features=features, entity_rows=asked["entity_rows"], full_feature_names=asked.get("full", False)
                )
                proto = response.proto
                statuses = {
                    name: list(result.statuses)
                    for name, result in zip(proto.metadata.feature_names.val, proto.results, strict=True)
                }
                print(json.dumps({"values": response.to_dict(), "statuses": statuses}), flush=True)
            except Exception as problem:
                print(json.dumps({"error": type(problem).__name__, "says": str(problem)}), flush=True)


def _written(store, customer, view, asked) -> dict[str, object]:
    """Write a frame online by the client's own call, with the definitions in its own registry."""
    import pandas as pd

    try:
        store.apply([customer, view])
        frame = pd.DataFrame(asked["write"])
        frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True)
        store.write_to_online_store("written", frame)
    except Exception as problem:
        return {"error": type(problem).__name__, "says": str(problem)}
    return {"written": len(frame)}


def values(folder: Path, examples: str) -> None:
    """Write the training set of the examples, and the online values of their drivers."""
    import pandas as pd
    from feast import FeatureStore
    from feast.repo_operations import apply_total

    sys.path.append(str(folder))  # as the command does
    store = FeatureStore(repo_path=str(folder))
    apply_total(store.config, folder, skip_source_validation=True)
    store = FeatureStore(repo_path=str(folder))
    frame = pd.read_parquet(examples)
    names = [f"driver_hourly_stats:{each.name}" for each in store.get_feature_view("driver_hourly_stats").features]
    told = store.get_historical_features(entity_df=frame, features=names).to_df()
    rows = json.loads(told.drop(columns=["event_timestamp"]).to_json(orient="records", double_precision=15))
    store.materialize(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc))
    drivers = sorted({int(each) for each in frame["driver_id"]})
    online = store.get_online_features(features=names, entity_rows=[{"driver_id": each} for each in drivers]).to_dict()
    print("VALUES" + json.dumps({"training": rows, "online": online}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "repository":
        repository(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "values":
        values(Path(sys.argv[2]), sys.argv[3])
    else:
        client(sys.argv[2], sys.argv[3])
