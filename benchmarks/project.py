"""A dbt project in a folder, as dbt would leave it: `dbt_project.yml`, `profiles.yml`, `target/manifest.json`.

The tables are those of `data`; dbt itself is not needed, since the contract with it is files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import duckdb

from benchmarks.data import FEATURES, Size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.question import Question

NAME = "bench"
Tables = Literal["table", "parquet"]
_POSTGRES_TYPES = {"DOUBLE": "double precision", "FLOAT": "real", "VARCHAR": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is a feature view of drivers, the table that dbt would have built for it, its features' types."""

    name: str
    table: str
    ttl_s: int | None
    features: Mapping[str, str] = field(default_factory=lambda: FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A feature service: its references, and the folder to which its answers are logged, if they are."""

    name: str
    features: Sequence[str]
    log_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtTarget:
    """Where dbt has built: the target's block of `profiles.yml`, and what the manifest calls its database."""

    block: Mapping[str, object]
    database: str


def on_duckdb(path: Path, *, memory_limit: str = "") -> DbtTarget:
    """A DuckDB file; the limit as DuckDB writes it, e.g. ``256MB``, its own if empty."""
    more = {"settings": {"memory_limit": memory_limit}} if memory_limit else {}
    return DbtTarget(block={"type": "duckdb", "path": str(path), "schema": "main", **more}, database=path.stem)


def write_project(  # every one has its default
    folder: Path,
    question: Question,
    *,
    tables: Tables = "table",
    memory_limit: str = "",
    online: str = "",
    services: Sequence[Service] = (),
) -> Path:
    """Write a project on DuckDB whose views are those of a question.

    Args:
        folder: where; made if needed.
        question: size, views and ttl; the data is made before.
        tables: ``table`` for DuckDB tables, ``parquet`` for DuckDB views of the Parquet files.
        memory_limit: of DuckDB.
        online: URI of the online store; SQLite in the folder if empty.
        services: its feature services.

    Returns:
        The folder.
    """
    size = question.size
    database = size.database if tables == "table" else _views_of_parquet(folder, size)
    target = on_duckdb(database, memory_limit=memory_limit)
    return write_files(folder, models_of(question), target, online=online, services=services)


def models_of(question: Question) -> list[Model]:
    """The views of a question."""
    return [
        Model(
            name=f"driver_{view}",
            table=question.table_of(view),
            ttl_s=question.view_ttl_s(view),
            features=question.size.features,
        )
        for view in range(question.views)
    ]


def write_files(
    folder: Path, models: list[Model], target: DbtTarget, *, online: str = "", services: Sequence[Service] = ()
) -> Path:
    """Write the files of a project with these models and services."""
    (folder / "target").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text(f"name: {NAME}\nprofile: {NAME}\n")
    profile = {NAME: {"target": "dev", "outputs": {"dev": target.block}}}
    (folder / "profiles.yml").write_text(json.dumps(profile, indent=2))
    if online:
        (folder / "featurestore.yml").write_text(f"online_store: {online}\n")
    manifest = {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16",
            "generated_at": "2026-01-01T00:00:00Z",
            "invocation_id": "00000000-0000-0000-0000-000000000000",
            "project_name": NAME,
            "adapter_type": target.block["type"],
        },
        "nodes": {f"model.{NAME}.{model.name}": _node(model, target) for model in models},
        "sources": {},
        "exposures": {f"exposure.{NAME}.{service.name}": _exposure(service, models) for service in services},
        "groups": {},
        "macros": {},
        "disabled": {},
    }
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _exposure(service: Service, models: list[Model]) -> dict[str, object]:
    meta: dict[str, object] = {"features": list(service.features)}
    if service.log_to:
        meta["logging"] = {"sample": 1.0, "to": service.log_to}
    return {
        "unique_id": f"exposure.{NAME}.{service.name}",
        "resource_type": "exposure",
        "package_name": NAME,
        "name": service.name,
        "type": "ml",
        "owner": {"name": "Benchmarks"},
        "description": "Made by the benchmarks.",
        "original_file_path": "models/services.yml",
        "tags": [],
        "config": {"enabled": True, "tags": [], "meta": {"feature_service": meta}},
        "depends_on": {"nodes": [f"model.{NAME}.{model.name}" for model in models], "macros": []},
    }


def _node(model: Model, target: DbtTarget) -> dict[str, object]:
    view: dict[str, object] = {"entities": ["driver_id"], "created_at": "created_ts"}
    if model.ttl_s is not None:
        view["ttl"] = f"{model.ttl_s} seconds"
    types = {"driver_id": "BIGINT", "event_ts": "TIMESTAMP", "created_ts": "TIMESTAMP", **model.features}
    if target.block["type"] == "postgres":
        types = {name: _POSTGRES_TYPES.get(kind, kind) for name, kind in types.items()}
    meta = {"feature_view": view}
    return {
        "unique_id": f"model.{NAME}.{model.name}",
        "resource_type": "model",
        "package_name": NAME,
        "name": model.name,
        "database": target.database,
        "schema": target.block["schema"],
        "alias": model.name,
        "relation_name": f'"{target.database}"."{target.block["schema"]}"."{model.table}"',
        "original_file_path": f"models/{model.name}.sql",
        "patch_path": f"{NAME}://models/{model.name}.yml",
        "description": "Made by the benchmarks. One row per driver and event.",
        "checksum": {"name": "sha256", "checksum": "0" * 64},
        "tags": [],
        "config": {
            "enabled": True,
            "materialized": "table",
            "event_time": "event_ts",
            "contract": {"enforced": True},
            "tags": [],
            "meta": meta,
        },
        "columns": {
            name: {"name": name, "data_type": kind, "description": "", "config": {"meta": {}, "tags": []}}
            for name, kind in types.items()
        },
        "depends_on": {"nodes": [], "macros": []},
    }


def _views_of_parquet(folder: Path, size: Size) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / f"bench_{size.name.lower()}_parquet.duckdb"
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as connection:
        for table in size.tables:
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{size.parquet(table)}')")
    return database
