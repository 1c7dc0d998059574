"""What a reader wants to know of one thing besides its definition: dbt's tests, who reads it, how to ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog.lineage import lineage_of
from featurestore.catalog.samples import feature_samples, service_samples
from featurestore.definitions.graph import view_id
from featurestore.manifest.macros import TRAINING_SET
from featurestore.registry.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.lineage import Lineage, Role
    from featurestore.catalog.samples import Sample
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import Feature, FeatureView


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """Names of what reads something, sorted.

    Attributes:
        services: feature services.
        exposures: other exposures, such as dashboards.
        training_sets: dbt models that make training sets of it.
        models: other dbt models and feature views below it.
    """

    services: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    training_sets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is known of one thing besides its definition.

    Attributes:
        made_of: what is directly above it.
        consumers: who reads it.
        tests: dbt's tests on it; of a feature, those of its column.
        samples: code that asks for it.
    """

    made_of: tuple[str, ...] = ()
    consumers: Consumers = Consumers()
    tests: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()


def view_details(graph: Graph, project: Project, view: FeatureView, *, macro: str = TRAINING_SET) -> Details:
    """What is known of a feature view; `macro` as of `feature_samples`."""
    unique_id = view_id(project, view)
    node = graph.by_id.get(unique_id)
    lineage = lineage_of(graph, project, view.reference)
    return Details(
        made_of=tuple(sorted(lineage.by_id[each].name for each in lineage.parents.get(unique_id, ()))),
        consumers=_below(lineage, usage_of((project,)).of_view(view.reference)),
        tests=node.tests if node is not None else (),
        samples=feature_samples(project, [view.reference], online=view.online, macro=macro),
    )


def feature_details(
    graph: Graph, project: Project, view: FeatureView, feature: Feature, *, macro: str = TRAINING_SET
) -> Details:
    """What is known of a feature; `macro` as of `feature_samples`."""
    reference = f"{view.reference}:{feature.name}"
    whole = view_details(graph, project, view)
    services = usage_of((project,)).of_feature(reference)
    others = whole.consumers
    return Details(
        made_of=whole.made_of,
        consumers=Consumers(services=services, exposures=others.exposures, training_sets=others.training_sets),
        tests=tuple(test for test in whole.tests if test.endswith(f"({feature.name})")),
        samples=feature_samples(project, [reference], online=view.online, macro=macro),
    )


def service_details(project: Project, service: FeatureService, *, macro: str = TRAINING_SET) -> Details:
    """What is known of a feature service; `macro` as of `feature_samples`."""
    from featurestore.catalog.graph import views_of_service

    views = tuple(views_of_service(project, service))
    online = bool(views) and all(view.online for view in views)
    return Details(
        made_of=tuple(sorted(view.reference for view in views)),
        samples=service_samples(project, service, online=online, macro=macro) if views else (),
    )


def _below(lineage: Lineage, services: Iterable[str]) -> Consumers:
    """Who reads what was asked about; `services` are those that use it by its definition."""
    asked = {node.id for node in lineage.nodes if node.is_asked}
    below: set[str] = set()
    waiting = list(asked)
    while waiting:
        new = [each for each in lineage.children.get(waiting.pop(), ()) if each not in below]
        below.update(new)
        waiting += new

    def names(*roles: Role) -> tuple[str, ...]:
        nodes = (lineage.by_id[each] for each in below - asked)
        return tuple(sorted(node.name for node in nodes if node.role in roles))

    return Consumers(
        services=tuple(sorted({*services, *names("service")})),
        exposures=names("exposure"),
        training_sets=names("training_set"),
        models=names("model", "snapshot", "view"),
    )
