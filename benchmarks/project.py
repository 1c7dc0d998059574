"""A dbt project in a folder, as dbt would leave it: `dbt_project.yml`, `profiles.yml`, `target/manifest.json`.

The tables are those of `data`; dbt itself is not needed, since the contract with it is files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import duckdb

from benchmarks.data import FEATURES, Size

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.question import Question

NAME = "bench"
Tables = Literal["table", "parquet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is a feature view of drivers; `relation` is the table as dbt renders it."""

    name: str
    relation: str
    ttl_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtTarget:
    """What a target may have besides its database.

    Attributes:
        online: URI of the online store; SQLite in the folder if empty.
        memory_limit: of DuckDB, e.g. ``256MB``; DuckDB's own if empty.
    """

    online: str = ""
    memory_limit: str = ""


PLAIN = DbtTarget()


def write_project(folder: Path, question: Question, *, tables: Tables = "table", more: DbtTarget = PLAIN) -> Path:
    """Write a project whose views are those of a question.

    Args:
        folder: where; made if needed.
        question: size, views and ttl; the data is made before.
        tables: ``table`` for DuckDB tables, ``parquet`` for DuckDB views of the Parquet files.
        more: what else the target has.

    Returns:
        The folder.
    """
    size = question.size
    database = size.database if tables == "table" else _views_of_parquet(folder, size)
    models = [
        Model(
            name=f"driver_{view}",
            relation=f'"{database.stem}"."main"."{question.table_of(view)}"',
            ttl_s=question.view_ttl_s(view),
        )
        for view in range(question.views)
    ]
    return write_files(folder, models, database=database, more=more)


def write_files(folder: Path, models: list[Model], *, database: Path, more: DbtTarget = PLAIN) -> Path:
    """Write the files of a project with these models."""
    (folder / "target").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text(f"name: {NAME}\nprofile: {NAME}\n")
    settings = f", settings: {{memory_limit: {more.memory_limit}}}" if more.memory_limit else ""
    (folder / "profiles.yml").write_text(
        f"{NAME}:\n  target: dev\n  outputs:\n    dev: {{type: duckdb, path: '{database}', schema: main{settings}}}\n"
    )
    if more.online:
        (folder / "featurestore.yml").write_text(f"online_store: {more.online}\n")
    nodes = {f"model.{NAME}.{model.name}": _node(model, database.stem) for model in models}
    manifest = {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16",
            "generated_at": "2026-01-01T00:00:00Z",
            "invocation_id": "00000000-0000-0000-0000-000000000000",
            "project_name": NAME,
            "adapter_type": "duckdb",
        },
        "nodes": nodes,
        "sources": {},
        "exposures": {},
        "groups": {},
        "macros": {},
        "disabled": {},
    }
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _node(model: Model, database: str) -> dict[str, object]:
    view: dict[str, object] = {"entities": ["driver_id"], "created_at": "created_ts"}
    if model.ttl_s is not None:
        view["ttl"] = f"{model.ttl_s} seconds"
    types = {"driver_id": "BIGINT", "event_ts": "TIMESTAMP", "created_ts": "TIMESTAMP", **FEATURES}
    meta = {"feature_view": view}
    return {
        "unique_id": f"model.{NAME}.{model.name}",
        "resource_type": "model",
        "package_name": NAME,
        "name": model.name,
        "database": database,
        "schema": "main",
        "alias": model.name,
        "relation_name": model.relation,
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
