"""``featurestore list``: what the newest registry version defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import fitted, result, result_json, say
from featurestore.definitions.durations import format_duration
from featurestore.texts import aligned, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView

Rows = list[list[str]]


@click.command("list", epilog=example("featurestore list features"))
@click.argument("what", type=click.Choice(["views", "entities", "services", "features"]), default="views")
@common_options
def command(common: Common, what: str) -> None:
    """List feature views, entities, feature services or features.

    They come from the newest registry version; without a word, the feature views are listed.
    """
    project = common.store().project
    if common.as_json:
        result_json(_things(project, what))
        return
    header, rows_of = _TABLES[what]
    rows = rows_of(project)
    if rows:
        result(aligned(fitted([header, *rows])))
    else:
        say(f"No {what} in the registry.")


def _things(project: Project, what: str) -> object:
    if what == "features":
        return [
            {"reference": f"{view.reference}:{feature.name}", "view": view.reference, "feature": feature}
            for view in project.views
            for feature in view.features
        ]
    return {"views": project.views, "entities": project.entities, "services": project.services}[what]


def _views(project: Project) -> Rows:
    return [
        [
            view.reference,
            ", ".join(view.entities) or "-",
            str(len(view.features)),
            "-" if view.ttl_us is None else format_duration(view.ttl_us),
            "yes" if view.online else "no",
            one_line(view.description),
        ]
        for view in project.views
    ]


def _entities(project: Project) -> Rows:
    def views_of(name: str) -> str:
        return ", ".join(view.reference for view in project.views if name in view.entities) or "-"

    return [[entity.name, ", ".join(entity.join_keys), views_of(entity.name)] for entity in project.entities]


def _services(project: Project) -> Rows:
    return [
        [
            service.name,
            service.owner or "-",
            str(len(service.features)),
            "-" if service.logging is None else f"{service.logging.sample * 100:g}%",
            one_line(service.description),
        ]
        for service in project.services
    ]


def _features(project: Project) -> Rows:
    return [row for view in project.views for row in _features_of(view)]


def _features_of(view: FeatureView) -> Rows:
    return [
        [f"{view.reference}:{feature.name}", feature.type, one_line(feature.description)] for feature in view.features
    ]


_TABLES: dict[str, tuple[list[str], Callable[[Project], Rows]]] = {
    "views": (["VIEW", "ENTITIES", "FEATURES", "TTL", "ONLINE", "DESCRIPTION"], _views),
    "entities": (["ENTITY", "JOIN KEYS", "VIEWS"], _entities),
    "services": (["SERVICE", "OWNER", "FEATURES", "LOGGED", "DESCRIPTION"], _services),
    "features": (["FEATURE", "TYPE", "DESCRIPTION"], _features),
}
