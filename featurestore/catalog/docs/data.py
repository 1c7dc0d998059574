"""What the catalog page knows, as plain data with short keys: the page of a large project is mostly this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog.details import service_details
from featurestore.catalog.layout import layout
from featurestore.catalog.lineage import lineage_of
from featurestore.catalog.samples import feature_samples
from featurestore.definitions.durations import format_duration
from featurestore.definitions.graph import view_id
from featurestore.manifest.macros import TRAINING_SET
from featurestore.registry.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.catalog.samples import Sample
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Feature, FeatureView
    from featurestore.registry.usage import Usage

Data = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """One change from a version to the next.

    Attributes:
        kind: ``added``, ``changed`` or ``removed``.
        impact: what it means for readers, e.g. ``breaking``.
        text: what changed, in words.
    """

    kind: str
    impact: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One version of the registry.

    Attributes:
        version: its number.
        applied_at: UTC, to the second; empty if it cannot be read.
        by: who applied it.
        commit: from which commit, short.
        tags: names that mean it.
        note: what is special: a rollback, or why it cannot be read.
        changes: from the version before; None where they were not looked up.
    """

    version: int
    applied_at: str
    by: str = ""
    commit: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    changes: tuple[ChangeLine, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the page is made of.

    Attributes:
        project: the definitions.
        graph: the dbt graph around them.
        version: of the registry.
        history: its versions, newest first.
        macro: what the dbt project calls the macro that makes training sets.
    """

    project: Project
    graph: Graph
    version: int
    history: tuple[HistoryLine, ...] = ()
    macro: str = TRAINING_SET


def catalog_data(catalog: Catalog) -> Data:
    """Make the page's data; what is empty is left out."""
    project, graph = catalog.project, catalog.graph
    usage = usage_of((project,))
    return {
        "name": project.name,
        "target": project.target,
        "dialect": project.dialect,
        "version": catalog.version,
        "views": [_view(catalog, view, usage) for view in project.views],
        "services": [_service(catalog, service) for service in project.services],
        "entities": [
            _filled(
                {
                    "n": entity.name,
                    "d": _folded(entity.description),
                    "k": entity.join_keys,
                    "v": [view.reference for view in project.views if entity.name in view.entities],
                    "u": usage.of_entity(entity.name),
                }
            )
            for entity in project.entities
        ],
        "streams": [_stream(project, stream, usage) for stream in project.streams],
        "lineage": _lineage(project, graph),
        "history": [_version(line) for line in catalog.history],
    }


def _view(catalog: Catalog, view: FeatureView, usage: Usage) -> Data:
    project = catalog.project
    node = catalog.graph.by_id.get(view_id(project, view))
    created = f", known from {view.created_at.name}" if view.created_at is not None else ""
    return _filled(
        {
            "n": view.reference,
            "d": _folded(view.description),
            "e": view.entities,
            "k": [[key.name, key.type] for key in view.join_keys],
            "t": f"{view.event_time.name} ({view.event_time.type}){created}",
            "ttl": "" if view.ttl_us is None else format_duration(view.ttl_us),
            "delay": format_duration(view.delay_us) if view.delay_us else "",
            "on": view.online,
            "o": view.owner,
            "g": view.group,
            "a": view.access,
            "tags": view.tags,
            "p": view.source.yaml_path or view.source.path,
            "r": view.relation,
            "s": "" if view.stream is None else view.stream.source,
            "old": not view.is_latest,
            "f": [_feature(feature) for feature in view.features],
            "tests": node.tests if node is not None else (),
            "u": usage.of_view(view.reference),
            "code": _code(feature_samples(project, [view.reference], online=view.online, macro=catalog.macro)),
        }
    )


def _feature(feature: Feature) -> list[object]:
    """Name, type, description, tags, default; what is empty at the end is left out."""
    parts: list[object] = [feature.name, feature.type, _folded(feature.description), feature.tags, feature.default]
    while parts and (parts[-1] is None or parts[-1] == "" or parts[-1] == ()):
        parts.pop()
    return parts


def _service(catalog: Catalog, service: FeatureService) -> Data:
    details = service_details(catalog.project, service, macro=catalog.macro)
    return _filled(
        {
            "n": service.name,
            "d": _folded(service.description),
            "o": service.owner,
            "g": service.group,
            "tags": service.tags,
            "p": service.path,
            "f": service.features,
            "k": [[column.name, column.type] for column in service.request_columns],
            "v": details.made_of,
            "code": _code(details.samples),
        }
    )


def _stream(project: Project, stream: Stream, usage: Usage) -> Data:
    return _filled(
        {
            "n": stream.name,
            "d": _folded(stream.description),
            "fmt": stream.format,
            "k": [[column.name, column.type] for column in stream.columns],
            "v": [view.reference for view in project.stream_views(stream.name)],
            "p": stream.path,
            "u": usage.of_stream(stream.name),
        }
    )


def _lineage(project: Project, graph: Graph) -> Data:
    """Nodes as [role, name, noun, column, place in it], and edges as pairs of their numbers."""
    lineage = lineage_of(graph, project)
    placed = {
        each: (column, number) for column, own in enumerate(layout(lineage).columns) for number, each in enumerate(own)
    }
    numbers = {node.id: number for number, node in enumerate(lineage.nodes)}
    return {
        "nodes": [[node.role, node.name, node.noun, *placed[node.id]] for node in lineage.nodes],
        "edges": [[numbers[parent], numbers[child]] for parent, child in lineage.edges],
    }


def _version(line: HistoryLine) -> Data:
    changes = None if line.changes is None else [[each.kind, each.impact, each.text] for each in line.changes]
    said: Data = {"at": line.applied_at, "by": line.by, "commit": line.commit, "tags": line.tags, "note": line.note}
    return {"v": line.version, **_filled(said), **({} if changes is None else {"changes": changes})}


def _code(samples: Sequence[Sample]) -> list[list[str]]:
    return [[sample.title, sample.code] for sample in samples]


def _filled(values: Data) -> Data:
    return {key: value for key, value in values.items() if value}


def _folded(text: str) -> str:
    return " ".join(text.split())
