"""Plan and apply 1,000 views of 50 features: nothing applied yet, nothing changed, SQL changed in 10 and in 100."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.bench import Goal, Line, Options, Recorder, folder, in_turn, run

if TYPE_CHECKING:
    from pathlib import Path

VIEWS, FEATURES, SOURCES, SERVICES = 1_000, 50, 50, 200
MEASURES = ("plan_ms", "apply_ms", "manifest_ms", "peak_mib")
PROFILE = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main}}}\n"
NAMES = [f"f{number}" for number in range(FEATURES)]
GOALS = (
    Goal(measure="plan_ms", of="nothing changed", at_most=1000),
    Goal(measure="plan_ms", of="nothing applied yet", at_most=1000),
    Goal(measure="apply_ms", of="nothing applied yet", at_most=1000),
)


def main(options: Options) -> None:
    """Measure; the clock starts when the manifest has been read."""
    recorder = Recorder(name="plan")
    with folder() as place:
        project = _write(place)
        sides = {
            "nothing applied yet": partial(_planned, project, changed=0, is_first=True),
            "nothing changed": partial(_planned, project, changed=0),
            "SQL changed in 10 views": partial(_planned, project, changed=10),
            "SQL changed in 100 views": partial(_planned, project, changed=100),
        }
        in_turn(sides, recorder, options.rounds)
    recorder.summarize(MEASURES, ours="nothing changed", other="nothing applied yet", goals=GOALS)


def _planned(project: Path, *, changed: int, is_first: bool = False) -> list[Line]:
    target = project / "target" / "manifest.json"
    target.write_text(json.dumps(_manifest(0)))
    if not is_first:
        run("plan_side", "--folder", str(project), "--apply")
        target.write_text(json.dumps(_manifest(changed)))
    return run("plan_side", "--folder", str(project), *(("--anew", "--apply") if is_first else ()))


def _write(place: Path) -> Path:
    (place / "target").mkdir()
    (place / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: '1.0'\n")
    (place / "profiles.yml").write_text(PROFILE)
    columns = ", ".join(f"{name} double" for name in NAMES)
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        for number in range(VIEWS):
            connection.execute(f"create table view_{number} (customer bigint, seen_at timestamp, {columns})")
    return place


def _manifest(changed: int) -> dict[str, Any]:
    """Views over staging models over sources; in the first `changed` views three features have another expression."""
    nodes = [node for number in range(VIEWS) for node in (_view(number, changed), _staging(number))]
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16",
            "project_name": "shop",
            "adapter_type": "duckdb",
            "generated_at": "2026-11-27T00:00:00Z",
        },
        "nodes": {node["unique_id"]: node for node in nodes},
        "sources": {source["unique_id"]: source for source in map(_source, range(SOURCES))},
        "exposures": {exposure["unique_id"]: exposure for exposure in map(_service, range(SERVICES))},
    }


def _view(number: int, changed: int) -> dict[str, Any]:
    expressions = [
        f"    sum(x_{name}) over (partition by customer order by seen_at)"
        f"{' * 2' if number < changed and at < 3 else ''} as {name}"
        for at, name in enumerate(NAMES)
    ]
    sql = (
        f"-- View {number}.\nwith base as (select * from {{{{ ref('stg_{number}') }}}})\n\n"
        "select\n    customer,\n    seen_at,\n" + ",\n".join(expressions) + "\nfrom base\n"
    )
    described = {
        name: {"name": name, "data_type": "double", "description": f"What {name} is of view {number}, US dollars."}
        for name in NAMES
    }
    meta = {"feature_view": {"entities": ["customer"], "event_time": "seen_at", "ttl": "7d"}}
    return _model(f"view_{number}", sql, [f"model.shop.stg_{number}"], meta, described)


def _staging(number: int) -> dict[str, Any]:
    source = number % SOURCES
    columns = ", ".join(f"raw_{name} as x_{name}" for name in NAMES)
    sql = f"select customer, seen_at, {columns} from {{{{ source('raw', 't{source}') }}}}\n"
    return _model(f"stg_{number}", sql, [f"source.shop.raw.t{source}"], {}, {})


def _model(
    name: str, sql: str, parents: list[str], meta: dict[str, Any], columns: dict[str, dict[str, str]]
) -> dict[str, Any]:
    return {
        "unique_id": f"model.shop.{name}",
        "name": name,
        "resource_type": "model",
        "package_name": "shop",
        "database": "shop",
        "schema": "main",
        "relation_name": f'"shop"."main"."{name}"',
        "original_file_path": f"models/{name}.sql",
        "patch_path": f"shop://models/{name}.yml",
        "description": "",
        "checksum": {"name": "sha256", "checksum": hashlib.sha256(sql.encode()).hexdigest()},
        "raw_code": sql,
        "depends_on": {"nodes": parents, "macros": []},
        "config": {"meta": meta, "tags": []},
        "columns": columns,
    }


def _source(number: int) -> dict[str, Any]:
    return {
        "unique_id": f"source.shop.raw.t{number}",
        "name": f"t{number}",
        "source_name": "raw",
        "resource_type": "source",
        "package_name": "shop",
        "relation_name": f'"shop"."raw"."t{number}"',
        "original_file_path": "models/sources.yml",
        "config": {},
        "columns": {},
    }


def _service(number: int) -> dict[str, Any]:
    views = [(number * 5 + more) % VIEWS for more in range(5)]
    meta = {"feature_service": {"features": [f"view_{view}:f{at}" for at, view in enumerate(views)]}}
    return {
        "unique_id": f"exposure.shop.service_{number}",
        "name": f"service_{number}",
        "type": "ml",
        "resource_type": "exposure",
        "package_name": "shop",
        "original_file_path": f"models/service_{number}.yml",
        "owner": {"name": "Team"},
        "description": "",
        "depends_on": {"nodes": [f"model.shop.view_{view}" for view in views]},
        "config": {"meta": meta, "tags": []},
        "unrendered_config": {"meta": meta},
    }
