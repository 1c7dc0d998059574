"""Lineage: from sources through models to feature views, and on to services, exposures and training sets.

Shape: nodes by unique id, and edges in the direction of the data. A name narrows it to what is above and below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.graph import Graph, service_id, view_id
from featurestore.definitions.references import parse_reference
from featurestore.errors import unknown_name
from featurestore.registry.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.definitions.graph import GraphNode
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView

Role = Literal["source", "seed", "model", "snapshot", "stream", "view", "service", "exposure", "training_set"]
NOUNS: Mapping[Role, str] = {
    "source": "source",
    "seed": "seed",
    "model": "model",
    "snapshot": "snapshot",
    "stream": "stream",
    "view": "feature view",
    "service": "feature service",
    "exposure": "exposure",
    "training_set": "training set",
}
ENDS: frozenset[Role] = frozenset(("service", "exposure", "training_set"))
"""Roles of those that only read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One thing of the lineage.

    Attributes:
        id: dbt's unique id; a stream's that dbt does not know is ``stream.PROJECT.NAME``.
        role: what it is here.
        name: as users write it.
        noun: its role in words; of an exposure its type.
        is_asked: whether it was asked about.
    """

    id: str
    role: Role
    name: str
    noun: str
    is_asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Nodes sorted by id, and edges (from, to), sorted; every end of an edge is a node."""

    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, LineageNode]:
        """The nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """By id, what is made of it or reads it."""
        return _grouped(self.edges)

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """By id, what it is made of or reads."""
        return _grouped((child, parent) for parent, child in self.edges)

    @property
    def roots(self) -> tuple[LineageNode, ...]:
        """What is made of nothing here."""
        return tuple(node for node in self.nodes if node.id not in self.parents)


def lineage_of(graph: Graph, project: Project, name: str | None = None) -> Lineage:
    """Take the lineage out of a graph.

    Args:
        graph: the dbt graph around the views.
        project: the definitions.
        name: a view, ``view:feature``, service, exposure, model, source (``source.table``), stream or entity; None
            takes all. Of a feature, the services that do not use it are left out.

    Raises:
        UnknownNameError: nothing has the name; names what is near.
    """
    edges = sorted({*_edges(graph, project)})
    roles = _roles(graph, project)
    asked, left_out = (frozenset[str](), frozenset[str]()) if name is None else _asked(graph, project, name, roles)
    kept = set(roles)
    if asked:
        down, up = _grouped(edges), _grouped((child, parent) for parent, child in edges)
        kept = {*asked, *_reached(asked, down), *_reached(asked, up)} - left_out
    nodes = (
        LineageNode(id=each, role=role, name=shown, noun=_noun(graph.by_id.get(each), role), is_asked=each in asked)
        for each, (role, shown) in sorted(roles.items())
        if each in kept
    )
    return Lineage(
        nodes=tuple(nodes), edges=tuple((parent, child) for parent, child in edges if {parent, child} <= kept)
    )


def stream_id(project: Project, name: str) -> str:
    """The id of a stream's node: dbt's where it is a source of the dbt project."""
    return next((each.unique_id for each in project.streams if each.name == name and each.unique_id), "") or (
        f"stream.{project.name}.{name}"
    )


def _roles(graph: Graph, project: Project) -> dict[str, tuple[Role, str]]:
    """Role and name of every node, by id."""
    found: dict[str, tuple[Role, str]] = {node.unique_id: (_role(node), node.name) for node in graph.nodes}
    found |= {stream_id(project, stream.name): ("stream", stream.name) for stream in project.streams}
    found |= {view_id(project, view): ("view", view.reference) for view in project.views}
    return found | {service_id(project, service): ("service", service.name) for service in project.services}


def _role(node: GraphNode) -> Role:
    return "training_set" if node.is_training_set else node.kind


def _noun(node: GraphNode | None, role: Role) -> str:
    return node.exposure_type if node is not None and role == "exposure" and node.exposure_type else NOUNS[role]


def _edges(graph: Graph, project: Project) -> Iterator[tuple[str, str]]:
    for node in graph.nodes:
        for parent in graph.parents(node.unique_id):
            yield parent.unique_id, node.unique_id
    known = {stream.name for stream in project.streams}
    for view in project.views:
        if view.stream is not None and view.stream.source in known:
            yield stream_id(project, view.stream.source), view_id(project, view)


def _asked(
    graph: Graph, project: Project, name: str, roles: Mapping[str, tuple[Role, str]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Ids that a name means, and of services that do not use it."""
    views = [view for view in project.views if name == view.reference or (name == view.name and view.is_latest)]
    others: frozenset[str] = frozenset()
    if ":" in name:
        view = _view_of(project, name)
        using = set(usage_of((project,)).of_feature(f"{view.reference}:{parse_reference(name).feature}"))
        others = frozenset(service_id(project, each) for each in project.services if each.name not in using)
        views = [view]
    found = {view_id(project, view) for view in views}
    found |= {each for each, (_, shown) in roles.items() if name in {shown, each}}
    if not found:
        found = {view_id(project, view) for view in project.views if name in view.entities}
    if not found:
        known = {shown for _, shown in roles.values()} | {view.name for view in project.views}
        raise unknown_name("view, service, model or source", name, known, place="the graph")
    return frozenset(found & (roles.keys() | graph.by_id.keys())), others


def _view_of(project: Project, reference: str) -> FeatureView:
    """The view of a feature. Raises UnknownNameError where there is no such view or feature."""
    parsed = parse_reference(reference)
    view = project.view(parsed.view, version=parsed.version)
    if parsed.feature not in {feature.name for feature in view.features}:
        known = [feature.name for feature in view.features]
        raise unknown_name("feature", parsed.feature or "", known, place=f"feature view '{view.reference}'")
    return view


def _grouped(edges: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one, other in edges:
        found.setdefault(one, []).append(other)
    return {one: tuple(sorted(others)) for one, others in found.items()}


def _reached(starts: Iterable[str], neighbours: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        new = [each for each in neighbours.get(waiting.pop(), ()) if each not in found]
        found.update(new)
        waiting += new
    return found
