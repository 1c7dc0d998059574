"""What ``feature_store.yaml`` says, read as a file: no variable of the environment is put in, so no secret is seen.

``${NAME}`` becomes ``{{ env_var('NAME') }}``, and a password is never copied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from featurestore.errors import UsageError
from featurestore.manifest.paths import shown_path
from featurestore.manifest.yaml_file import read_yaml
from featurestore.scaffold.feast.notes import Note
from featurestore.scaffold.feast.online import online_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "feature_store.yaml"
_INSIDE = "feature_repo"
_ADAPTERS: dict[str, str] = {
    **dict.fromkeys(("file", "dask", "duckdb", "ray"), "duckdb"),
    "snowflake.offline": "snowflake",
    "bigquery": "bigquery",
    "redshift": "redshift",
    "postgres": "postgres",
    "spark": "spark",
    "trino": "trino",
    "athena": "athena",
    "clickhouse": "clickhouse",
}
"""The dbt adapter of an offline store."""
_OF_PROVIDER = {"gcp": "bigquery", "aws": "redshift"}
_ONLINE_OF_PROVIDER = {"gcp": "datastore", "aws": "dynamodb"}
_ELSEWHERE = {
    "auth": "say who may ask: `server: {keys: ..., oidc: ...}` of featurestore.yml (docs/guides/server-access.md)",
    "batch_engine": "choose `featurestore materialize --engine local|spark`",
    "materialization": "`featurestore materialize` has options for what it reads",
    "feature_server": "start `featurestore serve`; what is logged says each service's `logging`",
    "openlineage": "dbt's own lineage shows views and services",
    "mcp": "serve over HTTP: `featurestore serve`",
}
_SAME = {"local", "file", "no_auth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """A repository's settings in our words.

    Attributes:
        folder: of `feature_store.yaml`.
        project: Feast's name of the project.
        adapter: dbt's, of the offline store; duckdb where there is none for it.
        offline: the offline store's keys.
        online_store: for `featurestore.yml`; None where the default is meant.
        notes: what of it has no equal.
    """

    folder: Path
    project: str
    adapter: str
    offline: Mapping[str, Any] = field(default_factory=dict)
    online_store: str | None = None
    notes: tuple[Note, ...] = ()


def find_repository(folder: Path) -> Path:
    """Find the folder of `feature_store.yaml`: the one named, or `feature_repo` in it, as ``feast init`` makes it.

    Raises:
        UsageError: neither has one.
    """
    for place in (folder, folder / _INSIDE):
        if (place / FILE_NAME).is_file():
            return place.resolve()
    hint = f"name the folder of {FILE_NAME}"
    raise UsageError(
        f"no Feast repository: neither {FILE_NAME} nor {_INSIDE}/{FILE_NAME}", where=str(folder), hint=hint
    )


def read_settings(folder: Path) -> StoreSettings:
    """Read `feature_store.yaml`.

    Raises:
        UsageError: it cannot be read, or has no project.
    """
    path = folder / FILE_NAME
    values = read_yaml(path, unique_keys=False)
    project = values.get("project")
    if not isinstance(project, str) or not project.strip():
        raise UsageError(
            "expected the project's name", where=f"{shown_path(path)}: project", hint="add `project: NAME`"
        )
    provider = str(values.get("provider") or "local")
    offline = _store(values.get("offline_store"), _OF_PROVIDER.get(provider, "dask"))
    online = _store(values.get("online_store", "sqlite"), _ONLINE_OF_PROVIDER.get(provider, "sqlite"))
    uri, online_notes = online_store(online, project)
    return StoreSettings(
        folder=folder,
        project=project,
        adapter=_ADAPTERS.get(str(offline["type"]), "duckdb"),
        offline=offline,
        online_store=uri,
        notes=(*_offline_notes(offline), *online_notes, *_registry_notes(values.get("registry")), *_others(values)),
    )


def _store(value: Any, otherwise: str) -> dict[str, Any]:  # noqa: ANN401
    """A store's keys; a text alone is its type, and a class of somebody's own is its path."""
    if isinstance(value, str):
        return {"type": value}
    keys = {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}
    return {**keys, "type": str(keys.get("type") or otherwise)}


def _offline_notes(offline: Mapping[str, Any]) -> list[Note]:
    kind = str(offline["type"])
    if kind == "ray":
        what = "Ray reads and joins; here DuckDB does, over the same files"
        return [Note(kind="offline store", name=kind, what=what, hint="nothing, unless DuckDB cannot read them")]
    if kind in _ADAPTERS:
        return []
    hint = "set up the dbt adapter of your warehouse in profiles.yml, and the tables in the sources' YAML"
    return [
        Note(
            kind="offline store", name=kind, what="there is no dbt adapter for it here, so DuckDB is set up", hint=hint
        )
    ]


def _registry_notes(value: Any) -> list[Note]:  # noqa: ANN401
    keys = value if isinstance(value, dict) else {"path": value}
    kind = str(keys.get("registry_type") or "file")
    path = str(keys.get("path") or "")
    what = "Feast's registry is not read or changed; `featurestore apply` keeps definitions in .featurestore/registry/"
    hint = "to share them, set `registry:` in featurestore.yml to a folder or bucket that all can reach"
    if path.startswith(("s3://", "gs://")):
        hint = (
            f"to share them, set `registry:` in featurestore.yml to a bucket, such as {path.partition('://')[0]}://..."
        )
    return [Note(kind="registry", name=kind, what=what, hint=hint)]


def _others(values: Mapping[str, Any]) -> list[Note]:
    notes = []
    for key, hint in _ELSEWHERE.items():
        value = values.get(key)
        kind = str(value.get("type") or "") if isinstance(value, dict) else str(value or "")
        if value and kind not in _SAME:
            notes.append(Note(kind=FILE_NAME, name=key, what="has its place elsewhere", hint=hint))
    return notes
