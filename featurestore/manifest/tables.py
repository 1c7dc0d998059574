"""Find any table of the dbt project by name: a spine may be a model, a seed, a snapshot or a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.manifest.artifacts import Manifest

_TABLES = frozenset(("model", "seed", "snapshot", "source"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNode:
    """A table that dbt knows.

    Attributes:
        relation: as dbt renders it.
        columns: all its columns, when its contract is enforced; else empty.
    """

    relation: str
    columns: tuple[Column, ...] = ()


def find_table(manifest: Manifest, name: str, *, dialect: str) -> TableNode | None:
    """Find a table by its dbt name, ``source.table`` for a source, ``name@v2`` for a version; else the latest version.

    Of equal names in several packages, the project's own is meant, as in dbt's ``ref``.
    """
    wanted, _, version = name.partition("@v")
    nodes = (*manifest.nodes.values(), *manifest.sources.values())
    for node in sorted(nodes, key=lambda node: node.get("package_name") != manifest.project_name):
        if node.get("resource_type") not in _TABLES or not node.get("relation_name"):
            continue
        if wanted in _names(node) and _is_version(node, version):
            return TableNode(relation=str(node["relation_name"]), columns=_contracted(node, dialect))
    return None


def relations(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every table that dbt makes or reads: its unique id, and its relation as dbt renders it."""
    for unique_id, node in (*manifest.nodes.items(), *manifest.sources.items()):
        if node.get("resource_type") in _TABLES and node.get("relation_name"):
            yield unique_id, str(node["relation_name"])


def _names(node: Mapping[str, Any]) -> tuple[str, ...]:
    if node.get("resource_type") == "source":
        return (f"{node.get('source_name')}.{node.get('name')}",)
    return (str(node.get("name")),)


def _is_version(node: Mapping[str, Any], version: str) -> bool:
    if not version:
        return node.get("version") in (None, node.get("latest_version"))
    return node.get("version") is not None and str(node["version"]) == version


def _contracted(node: Mapping[str, Any], dialect: str) -> tuple[Column, ...]:
    """An enforced contract names every column with its type."""
    contract = (node.get("config") or {}).get("contract") or {}
    columns = list((node.get("columns") or {}).values())
    if not contract.get("enforced") or not all(column.get("data_type") for column in columns):
        return ()
    return tuple(
        Column(name=str(column["name"]), type=parse_type(str(column["data_type"]), dialect=dialect))
        for column in columns
    )
