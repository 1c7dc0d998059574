"""The graph that discovery walks: dbt's where there is one, else one made of the definitions alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.definitions.graph import Graph, GraphNode, service_id, view_id
from featurestore.definitions.references import parse_reference
from featurestore.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest


def graph_of_definitions(project: Project) -> Graph:
    """Make a graph of views, services and streams: what is known without dbt's."""
    nodes = (
        *(_view(project, view) for view in project.views),
        *(_service(project, service) for service in project.services),
        *(_stream(stream) for stream in project.streams if stream.unique_id),
    )
    return Graph(nodes=tuple(sorted(nodes, key=lambda node: node.unique_id)))


def whole_graph(known: Manifest | Graph | None, project: Project) -> Graph:
    """Add to dbt's graph what the definitions name and it lacks; without one, make it of them.

    Args:
        known: the graph, or the manifest to take it from; None where there is neither.
        project: the definitions.
    """
    from featurestore.manifest.graph import graph_of

    own = graph_of_definitions(project)
    if known is None:
        return own
    graph = known if isinstance(known, Graph) else graph_of(known)
    missing = tuple(node for node in own.nodes if node.unique_id not in graph.by_id)
    if not missing:
        return graph
    return replace(graph, nodes=tuple(sorted((*graph.nodes, *missing), key=lambda node: node.unique_id)))


def with_compiled(graph: Graph, applied: Graph | None) -> Graph:
    """Add the SQL that dbt had compiled when it was applied, to nodes whose text and macros are still the same.

    ``dbt parse``, ``dbt ls`` and a build of a part write a manifest without the compiled SQL of the rest.
    """
    then = {} if applied is None else applied.by_id

    def whole(node: GraphNode) -> GraphNode:
        before = then.get(node.unique_id)
        if node.compiled or before is None:
            return node
        is_same = (node.sql, node.macros, node.parents) == (before.sql, before.macros, before.parents)
        return replace(node, compiled=before.compiled) if is_same else node

    return replace(graph, nodes=tuple(map(whole, graph.nodes)))


def views_of_service(project: Project, service: FeatureService) -> Iterator[FeatureView]:
    """Yield the views whose features a service reads, each once, in its order; one that is gone is passed over."""
    seen: set[str] = set()
    for text in service.features:
        reference = parse_reference(text)
        try:
            view = project.view(reference.view, version=reference.version)
        except UnknownNameError:
            continue
        if view.reference not in seen:
            seen.add(view.reference)
            yield view


def _view(project: Project, view: FeatureView) -> GraphNode:
    kind: Literal["snapshot", "model"] = "snapshot" if view.source.resource_type == "snapshot" else "model"
    streams = {stream.name: stream.unique_id for stream in project.streams}
    stream = "" if view.stream is None else streams.get(view.stream.source, "")
    return GraphNode(
        unique_id=view_id(project, view),
        kind=kind,
        name=view.reference,
        path=view.source.path,
        yaml_path=view.source.yaml_path,
        description=view.description,
        owner=view.owner,
        tags=view.tags,
        group=view.group,
        access=view.access,
        relation=view.relation,
        parents=(stream,) if stream else (),
    )


def _service(project: Project, service: FeatureService) -> GraphNode:
    return GraphNode(
        unique_id=service_id(project, service),
        kind="exposure",
        name=service.name,
        path=service.path,
        description=service.description,
        owner=service.owner,
        tags=service.tags,
        group=service.group,
        parents=tuple(sorted(view_id(project, view) for view in views_of_service(project, service))),
        exposure_type="ml",
    )


def _stream(stream: Stream) -> GraphNode:
    return GraphNode(
        unique_id=stream.unique_id,
        kind="source",
        name=".".join(stream.unique_id.split(".")[2:]) or stream.name,
        path=stream.path,
        description=stream.description,
        relation=stream.relation,
    )
