"""``featurestore show``: everything the registry knows about one name."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Literal

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.definitions.durations import format_duration
from featurestore.errors import unknown_name
from featurestore.texts import aligned, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.entities import Entity
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import Feature, FeatureView

Kind = Literal["view", "feature", "entity", "service"]


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
    """

    kind: Kind
    definition: object
    used_by: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str, str], ...] = ()
    sql: str = ""


@click.command("show", epilog=example("featurestore show customer_orders"))
@click.argument("name")
@common_options
def command(common: Common, name: str) -> None:
    """Show one feature view, feature, entity or feature service.

    NAME is a view (`view` or `view@v2`), a feature (`view:feature`), an entity or a service, as the newest registry
    version has it. If several have the name, all are shown.
    """
    project = common.store().project
    found = tuple(_find(project, name))
    if common.as_json:
        result_json([{"kind": it.kind, "definition": it.definition, "used_by": it.used_by} for it in found])
        return
    for position, thing in enumerate(found):
        result(("\n" if position else "") + _title(thing, name))
        result(aligned([(label, text) for label, text in thing.lines if text], indent="  "))
        if thing.features:
            result("\n" + aligned([("FEATURE", "TYPE", "DESCRIPTION"), *thing.features], indent="  "))
        if thing.sql:
            result("\n  ROWS OF EVENTS\n" + indent(_legible(thing.sql), "  "))


def _title(thing: Found, name: str) -> str:
    noun = thing.kind if thing.kind in {"feature", "entity"} else f"feature {thing.kind}"
    return click.style(f"{noun} {name}", bold=True)


def _find(project: Project, name: str) -> Iterator[Found]:
    """Find what has the name. Raises UnknownNameError with near names of all kinds."""
    if ":" in name:
        yield _feature(project, name)
        return
    from featurestore.registry.usage import usage_of

    usage = usage_of((project,))
    views = [view for view in project.views if name == view.reference or (name == view.name and view.is_latest)]
    entities = [entity for entity in project.entities if entity.name == name]
    services = [service for service in project.services if service.name == name]
    if not (views or entities or services):
        known = {view.reference for view in project.views} | {view.name for view in project.views if view.is_latest}
        known |= {entity.name for entity in project.entities} | {service.name for service in project.services}
        raise unknown_name("feature view, entity or service", name, known)
    for view in views:
        others = [other.reference for other in project.views if other.name == view.name and other != view]
        yield _view(view, others, usage.of_view(view.reference))
    for entity in entities:
        yield _entity(project, entity, usage.of_entity(entity.name))
    for service in services:
        yield _service(service)


def _feature(project: Project, reference: str) -> Found:
    from featurestore.definitions.references import select
    from featurestore.registry.usage import usage_of

    (output,) = select(project, [reference]).outputs
    view, feature = output.use.view, output.feature
    used_by = usage_of((project,)).of_feature(f"{view.reference}:{feature.name}")
    lines = (
        ("type", feature.type),
        ("description", _folded(feature.description)),
        ("default", "" if feature.default is None else str(feature.default)),
        ("tags", ", ".join(feature.tags)),
        ("feature view", view.reference),
        ("used by", ", ".join(used_by)),
    )
    return Found(kind="feature", definition=feature, used_by=used_by, lines=lines)


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
        ("tags", ", ".join(view.tags)),
        ("used by", ", ".join(used_by)),
    )
    rows = tuple(_feature_row(feature) for feature in view.features)
    sql = "" if view.stream is None else view.stream.sql
    return Found(kind="view", definition=view, used_by=used_by, lines=lines, features=rows, sql=sql)


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


def _service(service: FeatureService) -> Found:
    lines = (
        ("description", _folded(service.description)),
        ("dbt", f"{service.unique_id}  {service.path}"),
        ("owner", service.owner),
        ("tags", ", ".join(service.tags)),
        ("request columns", ", ".join(f"{column.name} {column.type}" for column in service.request_columns)),
        ("logging", _logging(service)),
        *((("features" if not position else " "), reference) for position, reference in enumerate(service.features)),
    )
    return Found(kind="service", definition=service, used_by=(), lines=lines)


def _logging(service: FeatureService) -> str:
    logging = service.logging
    return "" if logging is None else f"{logging.sample * 100:g}% by {logging.by}, to {logging.to}"
