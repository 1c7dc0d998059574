"""The resources of a manifest that carry metadata of ours, taken out of dbt's JSON into typed values.

Only ``config.meta`` is read. Metadata that stands where dbt v2 refuses it is a problem that says where to move it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.problems import Problems

VIEW_KEY = "feature_view"
ENTITY_KEY = "feature_entity"
SERVICE_KEY = "feature_service"
STREAM_KEY = "feature_stream"
FEATURE_KEY = "feature"
TABLE_RESOURCES = ("model", "snapshot", "seed")
_ALIKE = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlColumn:
    """A column as the YAML describes it.

    Attributes:
        name: as written.
        data_type: as written, None if it is not.
        description, tags: for people.
        meta: its ``config.meta``.
        entity: dbt's column property ``entity``, as written.
    """

    name: str
    data_type: str | None
    description: str
    tags: tuple[str, ...]
    meta: Mapping[str, Any]
    entity: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A dbt resource with metadata of ours.

    Attributes:
        unique_id, resource_type, package, name: dbt's.
        version: dbt's model version as text; None when the model has none.
        is_latest: False for a version that is not ``latest_version``.
        relation: the table as dbt renders it; None for an ephemeral model.
        path: its SQL file.
        yaml_path: the YAML file that describes it, empty if none.
        file: what messages put in front: the file, and the resource where the file may hold several.
        description, checksum, group, access, tags: as dbt has them.
        config, meta: its config, and ``config.meta``.
        columns: those that the YAML describes, in its order.
        compiled: its SQL as dbt ran it last; None where the manifest was only parsed.
        depends_on: unique ids of what its SQL reads.
    """

    unique_id: str
    resource_type: str
    package: str
    name: str
    version: str | None
    is_latest: bool
    relation: str | None
    path: str
    yaml_path: str
    file: str
    description: str
    checksum: str
    group: str
    access: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    meta: Mapping[str, Any]
    columns: tuple[YamlColumn, ...]
    compiled: str | None = None
    depends_on: tuple[str, ...] = ()

    def place(self, key: str) -> str:
        """File and key path for a message, e.g. ``models/x.yml: config.meta.feature_view.ttl``."""
        return f"{self.file}: {key}"

    @property
    def has_contract(self) -> bool:
        """Whether dbt enforces that the YAML's columns are the table's."""
        return as_mapping(self.config.get("contract")).get("enforced") is True


def our_nodes(manifest: Manifest, problems: Problems) -> Iterator[Node]:
    """Yield, by unique id, the resources that have metadata of ours or entities on columns; note misplaced metadata."""
    for unique_id in sorted(manifest.nodes):
        raw = manifest.nodes[unique_id]
        config = as_mapping(raw.get("config"))
        meta = as_mapping(config.get("meta"))
        _note_misplaced(raw, config, manifest, problems)
        if VIEW_KEY in meta or ENTITY_KEY in meta or _has_entity_column(raw):
            yield make_node(unique_id, raw, manifest)
    _note_sources(manifest, problems)


def make_node(unique_id: str, raw: Mapping[str, Any], manifest: Manifest) -> Node:
    """Take one node out of the manifest's JSON."""
    config = as_mapping(raw.get("config"))
    version = raw.get("version")
    latest = raw.get("latest_version")
    return Node(
        unique_id=unique_id,
        resource_type=_text(raw.get("resource_type")),
        package=_text(raw.get("package_name")),
        name=_text(raw.get("name")),
        version=None if version is None else str(version),
        is_latest=version is None or str(version) == str(latest),
        relation=_text(raw.get("relation_name")) or None,
        path=project_path(raw, "original_file_path", manifest),
        yaml_path=project_path(raw, "patch_path", manifest),
        file=file_of(raw, manifest),
        description=_text(raw.get("description")),
        checksum=checksum_of(as_mapping(raw.get("checksum"))),
        group=_text(config.get("group") or raw.get("group")),
        access=_text(config.get("access") or raw.get("access")),
        tags=as_texts(config.get("tags")),
        config=config,
        meta=as_mapping(config.get("meta")),
        columns=yaml_columns(raw),
        compiled=_text(raw.get("compiled_code")) or None,
        depends_on=as_texts(as_mapping(raw.get("depends_on")).get("nodes")),
    )


def yaml_columns(raw: Mapping[str, Any]) -> tuple[YamlColumn, ...]:
    """The columns that the YAML of a resource describes, in its order."""
    return tuple(_column(name, as_mapping(column)) for name, column in as_mapping(raw.get("columns")).items())


def file_of(raw: Mapping[str, Any], manifest: Manifest) -> str:
    """Name the file that describes a resource, and the resource where the file's name does not say it."""
    path = project_path(raw, "patch_path", manifest) or project_path(raw, "original_file_path", manifest)
    name, version = _text(raw.get("name")), raw.get("version")
    if version is not None:
        return f"{path}: {name}@v{version}"
    return path if PurePosixPath(path).stem == name else f"{path}: {name}"


def project_path(raw: Mapping[str, Any], key: str, manifest: Manifest) -> str:
    """Return a path in the project, with slashes; one of another package as ``package://path``."""
    path = _text(raw.get(key)).rpartition("://")[2].replace("\\", "/")
    package = _text(raw.get("package_name"))
    described_by = _text(raw.get(key)).partition("://")[0] if "://" in _text(raw.get(key)) else package
    return path if not path or described_by in {"", manifest.project_name} else f"{described_by}://{path}"


def warn_of_near_misses(meta: Mapping[str, Any], keys: tuple[str, ...], *, where: str, problems: Problems) -> None:
    """Note keys of a ``config.meta`` that look like one of ours misspelled; others are none of our business."""
    for name in meta:
        meant = difflib.get_close_matches(name.casefold(), keys, 1, _ALIKE)
        if meant and name not in keys:
            hint = f"did you mean {meant[0]}?"
            problems.warn("not a key of ours, so it is ignored", where=f"{where}.{name}", hint=hint)


def as_mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return the texts of a list (or one text), each once, sorted."""
    if not value:
        return ()
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(sorted({item for item in items if isinstance(item, str)}))


def _text(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else ""


def checksum_of(raw: Mapping[str, Any]) -> str:
    """The hash of the content; for large seeds dbt puts a path in its place, which is left out (SEMANTICS R3)."""
    return _text(raw.get("checksum")) if raw.get("name") == "sha256" else ""


def _column(name: str, raw: Mapping[str, Any]) -> YamlColumn:
    config = as_mapping(raw.get("config"))
    return YamlColumn(
        name=name,
        data_type=_text(raw.get("data_type")).strip() or None,
        description=_text(raw.get("description")),
        tags=as_texts(config.get("tags")),
        meta=as_mapping(config.get("meta")),
        entity=raw.get("entity"),
    )


def _has_entity_column(raw: Mapping[str, Any]) -> bool:
    return any(as_mapping(column).get("entity") for column in as_mapping(raw.get("columns")).values())


def _note_sources(manifest: Manifest, problems: Problems) -> None:
    for unique_id in sorted(manifest.sources):
        raw = manifest.sources[unique_id]
        for key in (VIEW_KEY, ENTITY_KEY):
            if key in as_mapping(as_mapping(raw.get("config")).get("meta")):
                where = f"{file_of(raw, manifest)}: config.meta.{key}"
                hint = "make a model that selects from it"
                problems.error("expected on a model or snapshot, got a source", where=where, hint=hint)


def _note_misplaced(raw: Mapping[str, Any], config: Mapping[str, Any], manifest: Manifest, problems: Problems) -> None:
    meta, top = as_mapping(config.get("meta")), as_mapping(raw.get("meta"))
    for key in (VIEW_KEY, ENTITY_KEY):
        if key in meta:
            continue
        if key in config:
            hint = f"move it under config.meta: `config: {{meta: {{{key}: ...}}}}`"
            problems.error("dbt knows no such config key", where=f"{file_of(raw, manifest)}: config.{key}", hint=hint)
        elif key in top:
            hint = f"move it under config: `config: {{meta: {{{key}: ...}}}}`"
            problems.error("read only under config.meta", where=f"{file_of(raw, manifest)}: meta.{key}", hint=hint)
    warn_of_near_misses(meta, (VIEW_KEY, ENTITY_KEY), where=f"{file_of(raw, manifest)}: config.meta", problems=problems)
