"""``featurestore show``: everything the registry knows about one name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from textwrap import indent
from threading import Thread
from typing import TYPE_CHECKING, Literal

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.definitions.durations import format_duration
from featurestore.errors import FeatureStoreError, unknown_name
from featurestore.texts import age, aligned, seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.catalog.details import Details
    from featurestore.definitions.entities import Entity
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Feature, FeatureView
    from featurestore.operations.freshness import ViewFreshness
    from featurestore.store import FeatureStore

Kind = Literal["view", "feature", "entity", "service", "stream"]
_PATIENCE_S = 2.0
"""How long the online store may take to say how fresh a view is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing of the name asked for.

    Attributes:
        kind: what it is.
        definition: as the registry has it.
        used_by: the feature services that use it, sorted.
        lines: what is printed: label and text.
        features: for a view, the rows of its table of features.
        sql: for a view that a stream feeds, what makes rows of events.
        view: the view whose freshness matters; None where none does.
        details: tests, readers and code; None where there are none.
    """

    kind: Kind
    definition: object
    used_by: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str, str], ...] = ()
    sql: str = ""
    view: FeatureView | None = None
    details: Details | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a name is looked for: the definitions, dbt's graph, and what dbt's project calls our macro."""

    project: Project
    graph: Graph
    macro: str


@click.command("show", epilog=example("featurestore show customer_orders", "featurestore show churn_v1 --code"))
@click.argument("name")
@click.option("--code", is_flag=True, help="Show code to ask for it too: Python, command line, dbt model.")
@common_options
def command(common: Common, name: str, code: bool) -> None:
    """Show one feature view, feature, entity, feature service or stream.

    NAME is a view (`view` or `view@v2`), a feature (`view:feature`), an entity, a service or a stream, as the newest
    registry version has it; with dbt's tests, who reads it, and how fresh the online store is, if that answers. If
    several have the name, all are shown.
    """
    from featurestore.manifest.macros import training_set_name

    store = common.store()
    document = store.document
    place = _Place(
        project=document.content,
        graph=store.workspace.graph(document),
        macro=training_set_name(store.workspace.usable_manifest()),
    )
    found = tuple(_find(place, name))
    fresh = {it.view.reference: _freshness(store, it.view) for it in found if it.view is not None}
    if common.as_json:
        result_json([_as_json(it, fresh) for it in found])
        return
    for position, thing in enumerate(found):
        result(("\n" if position else "") + _title(thing, name))
        lines = (*thing.lines, *_detail_lines(thing, fresh))
        result(aligned([(label, text) for label, text in lines if text], indent="  "))
        if thing.features:
            result("\n" + aligned([("FEATURE", "TYPE", "DESCRIPTION"), *thing.features], indent="  "))
        if thing.sql:
            result("\n  ROWS OF EVENTS\n" + indent(_legible(thing.sql), "  "))
        for sample in thing.details.samples if code and thing.details is not None else ():
            result(f"\n  {sample.title.upper()}\n{indent(sample.code, '  ')}")


def _as_json(thing: Found, fresh: Mapping[str, ViewFreshness | None]) -> dict[str, object]:
    said = {"kind": thing.kind, "definition": thing.definition, "used_by": thing.used_by}
    freshness = None if thing.view is None else fresh[thing.view.reference]
    return {
        **said,
        "freshness": None if freshness is None else freshness.to_dict(),
        "details": thing.details,
    }


def _detail_lines(thing: Found, fresh: Mapping[str, ViewFreshness | None]) -> Iterator[tuple[str, str]]:
    freshness = None if thing.view is None else fresh[thing.view.reference]
    if freshness is not None:
        old = "" if freshness.age_s is None else f", newest event {age(freshness.age_s)} ago"
        problem = f": {freshness.problem}" if freshness.problem not in {None, freshness.state} else ""
        yield "freshness", f"{freshness.state}{old}{problem}"
    if thing.details is None:
        return
    readers = thing.details.consumers
    yield "made of", ", ".join(thing.details.made_of)
    yield "exposures", ", ".join(readers.exposures)
    yield "training sets", ", ".join(readers.training_sets)
    yield "models below", ", ".join(readers.models)
    yield "tests", ", ".join(thing.details.tests)


def _freshness(store: FeatureStore, view: FeatureView) -> ViewFreshness | None:
    """How fresh a view is online; None where it is not online, or the store does not answer soon."""
    if not view.online:
        return None
    answers: list[ViewFreshness] = []

    def ask() -> None:
        with suppress(FeatureStoreError):
            answers.extend(store.freshness([view.reference], online_only=True))

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    return answers[0] if answers else None


def _title(thing: Found, name: str) -> str:
    noun = thing.kind if thing.kind in {"feature", "entity", "stream"} else f"feature {thing.kind}"
    return click.style(f"{noun} {name}", bold=True)


def _find(place: _Place, name: str) -> Iterator[Found]:
    """Find what has the name. Raises UnknownNameError with near names of all kinds."""
    from featurestore.catalog import details

    if ":" in name:
        yield _feature(place, name)
        return
    project, graph, macro = place.project, place.graph, place.macro
    from featurestore.registry.usage import usage_of

    usage = usage_of((project,))
    views = [view for view in project.views if name == view.reference or (name == view.name and view.is_latest)]
    entities = [entity for entity in project.entities if entity.name == name]
    services = [service for service in project.services if service.name == name]
    streams = [stream for stream in project.streams if stream.name == name]
    if not (views or entities or services or streams):
        known = {view.reference for view in project.views} | {view.name for view in project.views if view.is_latest}
        for named in (project.entities, project.services, project.streams):
            known |= {each.name for each in named}
        raise unknown_name("feature view, entity, service or stream", name, known)
    for view in views:
        others = [other.reference for other in project.views if other.name == view.name and other != view]
        found = _view(view, others, usage.of_view(view.reference))
        yield replace(found, details=details.view_details(graph, project, view, macro=macro))
    for entity in entities:
        yield _entity(project, entity, usage.of_entity(entity.name))
    for service in services:
        yield replace(_service(service), details=details.service_details(project, service, macro=macro))
    for stream in streams:
        yield _stream(project, stream, usage.of_stream(stream.name))


def _feature(place: _Place, reference: str) -> Found:
    from featurestore.catalog.details import feature_details
    from featurestore.definitions.references import select
    from featurestore.registry.usage import usage_of

    project = place.project
    (output,) = select(project, [reference]).outputs
    view, feature = output.use.view, output.feature
    used_by = usage_of((project,)).of_feature(f"{view.reference}:{feature.name}")
    keys = ", ".join(f"{key.name} {key.type}" for key in view.join_keys)
    lines = (
        ("type", feature.type),
        ("description", _folded(feature.description)),
        ("default", "" if feature.default is None else str(feature.default)),
        ("tags", ", ".join(feature.tags)),
        ("feature view", view.reference),
        ("entities", f"{', '.join(view.entities)}  ({keys})" if view.entities else ""),
        ("owner", view.owner),
        ("group", view.group),
        ("access", view.access),
        ("used by", ", ".join(used_by)),
    )
    return Found(
        kind="feature",
        definition=feature,
        used_by=used_by,
        lines=lines,
        view=view,
        details=feature_details(place.graph, project, view, feature, macro=place.macro),
    )


def _view(view: FeatureView, others: list[str], used_by: tuple[str, ...]) -> Found:
    latest = ", the latest" if view.is_latest else ""
    also = f"; also {', '.join(others)}" if others else ""
    keys = ", ".join(f"{key.name} {key.type}" for key in view.join_keys)
    lines = (
        ("description", _folded(view.description)),
        ("version", "" if view.version is None else f"{view.version}{latest}{also}"),
        ("dbt", f"{view.source.unique_id}  {view.source.yaml_path or view.source.path}"),
        ("table", view.relation),
        ("entities", f"{', '.join(view.entities)}  ({keys})" if view.entities else "none: matches on time alone"),
        *_times(view),
        ("online", "yes" if view.online else "no"),
        ("stream", "" if view.stream is None else view.stream.source),
        ("pushed to", view.pushed),
        ("owner", view.owner),
        ("group", view.group),
        ("access", view.access),
        ("tags", ", ".join(view.tags)),
        ("used by", ", ".join(used_by)),
    )
    rows = tuple(_feature_row(feature) for feature in view.features)
    sql = "" if view.stream is None else view.stream.sql
    return Found(kind="view", definition=view, used_by=used_by, lines=lines, features=rows, sql=sql, view=view)


def _times(view: FeatureView) -> Iterator[tuple[str, str]]:
    yield "event time", f"{view.event_time.name} {view.event_time.type}"
    for label, column in (("created at", view.created_at), ("valid to", view.valid_to)):
        yield label, "" if column is None else f"{column.name} {column.type}"
    yield "ttl", "none: values never expire" if view.ttl_us is None else format_duration(view.ttl_us)
    yield "delay", format_duration(view.delay_us) if view.delay_us else ""
    yield "as of", view.as_of if view.as_of != "event" else ""
    yield "boundary", view.boundary if view.boundary != "inclusive" else ""
    yield "tie breakers", ", ".join(view.tie_breakers)
    yield "lookback", "" if view.lookback_us is None else format_duration(view.lookback_us)


def _feature_row(feature: Feature) -> tuple[str, str, str]:
    return feature.name, feature.type, _folded(feature.description)


def _legible(sql: str) -> str:
    """Write SQL in DuckDB's dialect over several lines; what is no SQL as it is."""
    import sqlglot

    try:
        return sqlglot.parse_one(sql, dialect="duckdb").sql("duckdb", pretty=True)
    except (sqlglot.errors.SqlglotError, ValueError):
        return seen(sql)


def _folded(text: str) -> str:
    """Write a text in one line, however many it has in the YAML."""
    return " ".join(text.split())


def _entity(project: Project, entity: Entity, used_by: tuple[str, ...]) -> Found:
    lines = (
        ("description", _folded(entity.description)),
        ("join keys", ", ".join(entity.join_keys)),
        ("views", ", ".join(view.reference for view in project.views if entity.name in view.entities)),
        ("used by", ", ".join(used_by)),
    )
    return Found(kind="entity", definition=entity, used_by=used_by, lines=lines)


def _stream(project: Project, stream: Stream, used_by: tuple[str, ...]) -> Found:
    lines = (
        ("description", _folded(stream.description)),
        ("dbt", f"{stream.unique_id}  {stream.path}".strip()),
        ("topic", stream.topic_name),
        ("format", stream.format),
        ("columns", ", ".join(f"{column.name} {column.type}" for column in stream.columns)),
        ("kept in", stream.relation or stream.to),
        ("views", ", ".join(view.reference for view in project.stream_views(stream.name))),
        ("used by", ", ".join(used_by)),
    )
    return Found(kind="stream", definition=stream, used_by=used_by, lines=lines)


def _service(service: FeatureService) -> Found:
    lines = (
        ("description", _folded(service.description)),
        ("dbt", f"{service.unique_id}  {service.path}"),
        ("owner", service.owner),
        ("group", service.group),
        ("tags", ", ".join(service.tags)),
        ("request columns", ", ".join(f"{column.name} {column.type}" for column in service.request_columns)),
        ("logging", _logging(service)),
        *((("features" if not position else " "), reference) for position, reference in enumerate(service.features)),
    )
    return Found(kind="service", definition=service, used_by=(), lines=lines)


def _logging(service: FeatureService) -> str:
    logging = service.logging
    return "" if logging is None else f"{logging.sample * 100:g}% by {logging.by}, to {logging.to}"
