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
    from collections.abc import Mapping
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
class DbtTarget:
    """Where dbt has built: the target's block of `profiles.yml`, and what the manifest calls its database."""

    block: Mapping[str, object]
    database: str


def on_duckdb(path: Path, *, memory_limit: str = "") -> DbtTarget:
    """A DuckDB file; the limit as DuckDB writes it, e.g. ``256MB``, its own if empty."""
    more = {"settings": {"memory_limit": memory_limit}} if memory_limit else {}
    return DbtTarget(block={"type": "duckdb", "path": str(path), "schema": "main", **more}, database=path.stem)


def write_project(
    folder: Path, question: Question, *, tables: Tables = "table", memory_limit: str = "", online: str = ""
) -> Path:
    """Write a project on DuckDB whose views are those of a question.

    Args:
        folder: where; made if needed.
        question: size, views and ttl; the data is made before.
        tables: ``table`` for DuckDB tables, ``parquet`` for DuckDB views of the Parquet files.
        memory_limit: of DuckDB.
        online: URI of the online store; SQLite in the folder if empty.

    Returns:
        The folder.
    """
    size = question.size
    database = size.database if tables == "table" else _views_of_parquet(folder, size)
    return write_files(folder, models_of(question), on_duckdb(database, memory_limit=memory_limit), online=online)


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


def write_files(folder: Path, models: list[Model], target: DbtTarget, *, online: str = "") -> Path:
    """Write the files of a project with these models."""
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
        "exposures": {},
        "groups": {},
        "macros": {},
        "disabled": {},
    }
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    return folder


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
