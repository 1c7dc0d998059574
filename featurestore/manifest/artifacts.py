"""dbt's artifacts as files: manifest.json, run_results.json, catalog.json. dbt itself is never imported.

Only the keys that we read are decoded, into plain dicts; whatever else a dbt version writes is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import msgspec

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.manifest.paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Decoded = TypeVar("Decoded")

MANIFEST_SCHEMA = 12
_SCHEMA_VERSION = re.compile(r"/manifest/v(\d+)\.json$")
_BUILDING_COMMANDS = frozenset(("build", "run", "snapshot", "seed", "retry", "clone"))
_BUILT_RESOURCES = ("model.", "snapshot.", "seed.")
_FAILED = frozenset(("error", "fail", "runtime error", "partial success"))
_NO_NUMBER = re.compile(rb'"([^"\\]{1,100})":\s*(?:\[[^\[\]{}"]*)?(-?(?:NaN|Infinity))\b')
_REMAKE = "run dbt parse or dbt build"


class RawColumn(TypedDict, total=False):
    """The keys of a node's column that we read."""

    name: Any
    data_type: Any
    description: Any
    config: Any
    entity: Any


class RawConfig(TypedDict, total=False):
    """The keys of a node's config that we read; those of ours are misplaced here."""

    access: Any
    check_cols: Any
    contract: Any
    database: Any
    event_time: Any
    feature_entity: Any
    feature_view: Any
    group: Any
    hard_deletes: Any
    meta: Any
    schema: Any
    snapshot_meta_column_names: Any
    strategy: Any
    tags: Any
    target_database: Any
    target_schema: Any
    unique_key: Any
    updated_at: Any


class RawNode(TypedDict, total=False):
    """The keys of a node that we read; dbt writes many more."""

    access: Any
    attached_node: Any
    column_name: Any
    compiled_code: Any
    depends_on: Any
    fqn: Any
    name: Any
    resource_type: Any
    test_metadata: Any
    package_name: Any
    raw_code: Any
    version: Any
    latest_version: Any
    database: Any
    schema: Any
    relation_name: Any
    original_file_path: Any
    patch_path: Any
    description: Any
    checksum: Any
    group: Any
    meta: Any
    config: RawConfig | None
    columns: dict[str, RawColumn] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts of dbt's manifest that we read, as dbt wrote them.

    Attributes:
        metadata: project name, adapter type, dbt version.
        nodes, sources, exposures, unit_tests, groups: by unique id.
        disabled: disabled resources by unique id.
        macros: undecoded; the texts of some matter (`manifest.graph`).
    """

    metadata: dict[str, Any]
    nodes: dict[str, RawNode]
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    exposures: dict[str, dict[str, Any]] = field(default_factory=dict)
    unit_tests: dict[str, RawNode] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    disabled: dict[str, list[dict[str, Any]]] | None = None
    macros: dict[str, msgspec.Raw] = field(default_factory=dict)

    @property
    def project_name(self) -> str:
        """The dbt project's name."""
        return str(self.metadata.get("project_name") or "")

    @property
    def adapter_type(self) -> str:
        """The dbt adapter that the manifest was made with, e.g. ``duckdb``."""
        return str(self.metadata.get("adapter_type") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """What one dbt command did.

    Attributes:
        invocation_id: dbt's id of the command; also in the manifest that it wrote.
        command: ``build``, ``run``, ``test``, ...; empty if not said.
        succeeded: unique ids of models, snapshots and seeds built without error, sorted.
        failed: unique ids of everything that failed, tests too, sorted.
        skipped: unique ids of what dbt left out, since something before it failed, sorted.
        ended_at: when it ended, as dbt writes it; empty if not said.
    """

    invocation_id: str
    command: str
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    ended_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    unique_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    metadata: dict[str, Any]
    results: list[_Result]
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CatalogColumn:
    name: str
    type: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _CatalogTable:
    columns: dict[str, _CatalogColumn]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Catalog:
    nodes: dict[str, _CatalogTable]


def load_manifest(target_dir: Path) -> Manifest:
    """Read dbt's manifest.

    Args:
        target_dir: the folder that dbt writes artifacts to (`DbtProject.target_dir`).

    Raises:
        UsageError: there is none, it is cut off, of another shape, or of a schema that we do not read.
    """
    return parse_manifest(_read(target_dir / "manifest.json", _REMAKE), place=shown_path(target_dir / "manifest.json"))


def parse_manifest(content: bytes, *, place: str = "target/manifest.json") -> Manifest:
    """Decode the bytes of a manifest; `place` is what errors call it. Raises as `load_manifest`."""
    head = _decode(content, _Head, place=place, remedy=_REMAKE)
    _require_schema(head.metadata.get("dbt_schema_version"), head.metadata.get("dbt_version"), place)
    return _decode(content, Manifest, place=place, remedy=_REMAKE)


def load_run_results(target_dir: Path) -> RunResults:
    """Read what the last dbt command in this project did.

    Returns:
        Its results; nothing counts as built by a command that builds nothing (compile, test, docs).

    Raises:
        UsageError: there are none, or they cannot be read.
    """
    remedy = "run dbt build or dbt run"
    place = shown_path(target_dir / "run_results.json")
    run = _decode(_read(target_dir / "run_results.json", remedy), _Run, place=place, remedy=remedy)
    command = str(run.args.get("which") or "")
    builds = not command or command in _BUILDING_COMMANDS
    built = {
        result.unique_id
        for result in run.results
        if builds and result.status == "success" and result.unique_id.startswith(_BUILT_RESOURCES)
    }
    return RunResults(
        invocation_id=str(run.metadata.get("invocation_id") or ""),
        command=command,
        succeeded=tuple(sorted(built)),
        failed=tuple(sorted({result.unique_id for result in run.results if result.status in _FAILED})),
        skipped=tuple(sorted({result.unique_id for result in run.results if result.status == "skipped"})),
        ended_at=str(run.metadata.get("generated_at") or ""),
    )


def load_stale_sources(target_dir: Path) -> tuple[str, ...]:
    """Read which sources ``dbt source freshness`` found older than they may be.

    Returns:
        Their unique ids, sorted; none when freshness was not asked for.

    Raises:
        UsageError: the answer cannot be read.
    """
    path = target_dir / "sources.json"
    if not path.exists():
        return ()
    remedy = "run dbt source freshness, or delete the file"
    run = _decode(_read(path, remedy), _Run, place=shown_path(path), remedy=remedy)
    return tuple(sorted(result.unique_id for result in run.results if result.status in _FAILED))


def load_catalog(target_dir: Path, *, dialect: str) -> Mapping[str, tuple[Column, ...]]:
    """Read the column types that ``dbt docs generate`` found in the warehouse.

    Args:
        target_dir: as for `load_manifest`.
        dialect: sqlglot's name of the warehouse, to read its type names.

    Returns:
        Columns in table order by the unique id of their node; empty when there is no catalog.

    Raises:
        UsageError: the catalog cannot be read.
    """
    path = target_dir / "catalog.json"
    if not path.exists():
        return {}
    remedy = "run dbt docs generate, or delete the file"
    catalog = _decode(_read(path, remedy), _Catalog, place=shown_path(path), remedy=remedy)
    return {
        unique_id: tuple(
            Column(name=column.name, type=parse_type(column.type, dialect=dialect))
            for column in sorted(table.columns.values(), key=lambda column: column.index)
        )
        for unique_id, table in catalog.nodes.items()
    }


def newer_sources(manifest: Manifest, project_dir: Path, target_dir: Path) -> tuple[str, ...]:
    """Name the files that changed after the manifest was written.

    Args:
        manifest: as read from `target_dir`.
        project_dir: where the dbt project's own files are; files of packages are not looked at.
        target_dir: where manifest.json is.

    Returns:
        Paths relative to the project, sorted; empty when the manifest is up to date.
    """
    written_at = (target_dir / "manifest.json").stat().st_mtime
    paths: set[str] = set()
    for node in (*manifest.nodes.values(), *manifest.exposures.values()):
        if node.get("package_name") == manifest.project_name:
            paths.add(str(node.get("original_file_path") or ""))
            paths.add(str(node.get("patch_path") or "").partition("://")[2])
    return tuple(sorted(path for path in paths if path and _changed_after(project_dir / path, written_at)))


def _changed_after(path: Path, moment: float) -> bool:
    return path.is_file() and path.stat().st_mtime > moment


def _read(path: Path, remedy: str) -> bytes:
    if not path.exists():
        raise UsageError(f"no {path.stem.replace('_', ' ')} at {shown_path(path)}", hint=remedy)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=shown_path(path), hint=remedy) from error


def _decode(content: bytes, into: type[Decoded], *, place: str, remedy: str) -> Decoded:
    try:
        return msgspec.json.decode(content, type=into)
    except msgspec.ValidationError as error:
        raise UsageError(f"not the file that dbt writes: {error}", where=place, hint=remedy) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        odd = _NO_NUMBER.search(content)
        if odd is not None:
            key, value = (part.decode(errors="replace") for part in odd.groups())
            what = f"'{key}' is {value}, and JSON has no such number: YAML has .nan or .inf there"
            raise UsageError(what, where=place, hint=f"put it in quotes, or leave it out; then {remedy}") from error
        what = "not valid JSON, perhaps cut off while dbt was writing it"
        raise UsageError(what, where=place, hint=remedy) from error


def _require_schema(schema: object, dbt_version: object, place: str) -> None:
    match = _SCHEMA_VERSION.search(schema) if isinstance(schema, str) else None
    if match is None:
        raise UsageError("not a dbt manifest: it names no schema version", where=place, hint=_REMAKE)
    found = int(match[1])
    if found == MANIFEST_SCHEMA:
        return
    what = f"expected manifest schema v{MANIFEST_SCHEMA} (dbt 1.8 and later), got v{found} of dbt {dbt_version}"
    older = f"upgrade dbt, then {_REMAKE}"
    raise UsageError(what, where=place, hint=older if found < MANIFEST_SCHEMA else "upgrade featurestore")
