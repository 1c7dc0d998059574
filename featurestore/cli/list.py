"""``featurestore list``: what the newest registry version defines, all of it or what dbt's selection syntax means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import fitted, result, result_json, say
from featurestore.cli.selecting import Asked, selecting_options
from featurestore.definitions.durations import format_duration
from featurestore.texts import aligned, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.entities import Entity
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Feature, FeatureView

Rows = list[list[str]]
_WHAT = ("views", "entities", "services", "features", "streams", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureLine:
    """A feature, by the reference to ask for it."""

    reference: str
    view: str
    feature: Feature


@click.command(
    "list",
    epilog=example(
        "featurestore list features --select tag:core,entity:customer", "featurestore list services -s customer_orders+"
    ),
)
@click.argument("what", type=click.Choice(_WHAT), default="views")
@selecting_options
@common_options
def command(common: Common, what: str, select: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """List feature views, entities, feature services, features, streams or sources.

    They come from the newest registry version; without a word, the feature views are listed. With --select, features
    and entities are those of the views that are selected; a selection that is empty exits with 2.
    """
    document = (store := common.store()).document
    asked = Asked(select=select, exclude=exclude)
    project = document.content
    needs_graph = what == "sources" or not asked.is_everything
    graph = store.workspace.graph(document) if needs_graph else None
    selected = None if graph is None or asked.is_everything else asked.found(graph, project)
    things = _things(project, graph, what, selected)
    if selected is not None and not things:
        raise asked.nothing(what)
    if common.as_json:
        result_json(things)
        return
    header, rows_of = _TABLES[what]
    rows = rows_of(project, things)
    if rows:
        result(aligned(fitted([header, *rows])))
    else:
        say(f"No {what} in the registry.")


def _things(project: Project, graph: Graph | None, what: str, selected: frozenset[str] | None) -> Sequence[object]:
    """What is listed; `selected` are unique ids, None for all."""
    if what == "sources":
        return _sources_of(graph, selected)
    views, services = project.views, project.services
    if selected is not None:
        from featurestore.definitions.graph import service_id, view_id

        views = tuple(view for view in views if view_id(project, view) in selected)
        services = tuple(each for each in services if service_id(project, each) in selected)
    if what == "features":
        return [
            FeatureLine(reference=f"{view.reference}:{feature.name}", view=view.reference, feature=feature)
            for view in views
            for feature in view.features
        ]
    entities = {name for view in views for name in view.entities}
    streams = {view.stream.source for view in views if view.stream is not None}
    is_all = selected is None
    found: dict[str, Sequence[object]] = {
        "views": views,
        "services": services,
        "entities": tuple(each for each in project.entities if is_all or each.name in entities),
        "streams": tuple(
            each for each in project.streams if selected is None or each.name in streams or each.unique_id in selected
        ),
    }
    return found[what]


def _sources_of(graph: Graph | None, selected: frozenset[str] | None) -> Sequence[object]:
    """Sources and seeds, in short: their rows and SQL are nobody's business here."""
    assert graph is not None, "sources stand in the graph"
    return [
        {
            "name": node.name,
            "kind": node.kind,
            "unique_id": node.unique_id,
            "path": node.path,
            "description": node.description,
            "tags": node.tags,
            "tests": node.tests,
        }
        for node in graph.nodes
        if node.kind in {"source", "seed"} and (selected is None or node.unique_id in selected)
    ]


def _views(_project: Project, things: Sequence[object]) -> Rows:
    return [
        [
            view.reference,
            ", ".join(view.entities) or "-",
            str(len(view.features)),
            "-" if view.ttl_us is None else format_duration(view.ttl_us),
            "yes" if view.online else "no",
            one_line(view.description),
        ]
        for view in cast("Sequence[FeatureView]", things)
    ]


def _entities(project: Project, things: Sequence[object]) -> Rows:
    def views_of(name: str) -> str:
        return ", ".join(view.reference for view in project.views if name in view.entities) or "-"

    entities = cast("Sequence[Entity]", things)
    return [[entity.name, ", ".join(entity.join_keys), views_of(entity.name)] for entity in entities]


def _services(_project: Project, things: Sequence[object]) -> Rows:
    return [
        [
            service.name,
            service.owner or "-",
            str(len(service.features)),
            "-" if service.logging is None else f"{service.logging.sample * 100:g}%",
            one_line(service.description),
        ]
        for service in cast("Sequence[FeatureService]", things)
    ]


def _features(_project: Project, things: Sequence[object]) -> Rows:
    lines = cast("Sequence[FeatureLine]", things)
    return [[line.reference, line.feature.type, one_line(line.feature.description)] for line in lines]


def _streams(project: Project, things: Sequence[object]) -> Rows:
    return [
        [
            stream.name,
            stream.format,
            ", ".join(view.reference for view in project.stream_views(stream.name)) or "-",
            one_line(stream.description),
        ]
        for stream in cast("Sequence[Stream]", things)
    ]


def _sources(_project: Project, things: Sequence[object]) -> Rows:
    lines = cast("Sequence[dict[str, str]]", things)
    return [[line["name"], line["kind"], line["path"], one_line(line["description"])] for line in lines]


_TABLES: dict[str, tuple[list[str], Callable[[Project, Sequence[object]], Rows]]] = {
    "views": (["VIEW", "ENTITIES", "FEATURES", "TTL", "ONLINE", "DESCRIPTION"], _views),
    "entities": (["ENTITY", "JOIN KEYS", "VIEWS"], _entities),
    "services": (["SERVICE", "OWNER", "FEATURES", "LOGGED", "DESCRIPTION"], _services),
    "features": (["FEATURE", "TYPE", "DESCRIPTION"], _features),
    "streams": (["STREAM", "FORMAT", "VIEWS", "DESCRIPTION"], _streams),
    "sources": (["SOURCE", "KIND", "FILE", "DESCRIPTION"], _sources),
}
