"""dbt's tests on each node, in a few words each: what a reader of a catalog wants to know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from featurestore.manifest.nodes import as_mapping, as_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.manifest.artifacts import Manifest


def tests_by_node(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Name the tests on each node.

    Returns:
        By unique id, sorted: ``not_null(order_id)`` for a generic test of a column, ``feature_view`` for one of the
        model, the file's name for a test written in SQL (of all it reads), ``unit: name`` for a unit test.
    """
    found: dict[str, set[str]] = {}
    for raw in manifest.nodes.values():
        if raw.get("resource_type") == "test":
            for node in _tested(raw):
                found.setdefault(node, set()).add(_said(raw))
    for raw in manifest.unit_tests.values():
        for node in as_texts(as_mapping(raw.get("depends_on")).get("nodes")):
            found.setdefault(node, set()).add(f"unit: {raw.get('name')}")
    return {node: tuple(sorted(tests)) for node, tests in found.items()}


def _tested(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What a test is of: the node that a generic one hangs on (of a source it is what it reads), else all it reads."""
    attached = raw.get("attached_node")
    reads = as_texts(as_mapping(raw.get("depends_on")).get("nodes"))
    return (attached,) if isinstance(attached, str) and attached else reads


def _said(raw: Mapping[str, Any]) -> str:
    metadata = as_mapping(raw.get("test_metadata"))
    name, column = metadata.get("name"), raw.get("column_name")
    if not name:
        return str(raw.get("name"))
    return f"{name}({column})" if column else str(name)
