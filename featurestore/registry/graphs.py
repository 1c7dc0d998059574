"""The dbt graph of a version, in a file of its own beside the documents: reviewers need it, readers never load it.

Shape: ``graphs/<sha256>.json``, named by its content. So equal graphs are one file, and a version names its graph by
the hash. The SQL in it is what reviewers compare; nothing runs it (SEMANTICS R3).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.graph import Graph, GraphNode
from featurestore.errors import RegistryCorruptError

if TYPE_CHECKING:
    from featurestore.registry.files.protocol import RegistryFiles

FOLDER = "graphs"
_HASH_LETTERS = frozenset("0123456789abcdef")
_HASH_LENGTH = 64


def keep_graph(files: RegistryFiles, graph: Graph) -> str:
    """Write a graph if it is not there yet; returns its hash. Raises RegistryUnavailableError."""
    data = msgspec.json.format(msgspec.json.encode(graph.nodes, order="deterministic"), indent=2) + b"\n"
    name = hashlib.sha256(data).hexdigest()
    files.create(graph_name(name), data)
    return name


def load_graph(files: RegistryFiles, graph_hash: str) -> Graph | None:
    """Read a graph.

    Returns:
        None if there is none: the version is older than graphs, or its graph was lost; a reviewer knows less then.

    Raises:
        RegistryCorruptError: it is not what its name says.
    """
    if len(graph_hash) != _HASH_LENGTH or not set(graph_hash) <= _HASH_LETTERS:
        return None
    data = files.read(graph_name(graph_hash))
    if data is None:
        return None
    where = f"{files.location}/{graph_name(graph_hash)}"
    hint = "delete it: plans say less until the next apply, and everything else works as before"
    if hashlib.sha256(data).hexdigest() != graph_hash:
        raise RegistryCorruptError("the dbt graph was changed after it was written", where=where, hint=hint)
    try:
        nodes = msgspec.json.decode(data, type=tuple[GraphNode, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryCorruptError(f"not a dbt graph: {error}", where=where, hint=hint) from error
    return Graph(nodes=nodes)


def graph_name(graph_hash: str) -> str:
    """The file of a graph."""
    return f"{FOLDER}/{graph_hash}.json"
