"""The definitions as OpenLineage events (spec 2-0-2), so that a lineage server draws features beside all else.

Shape: a ``JobEvent`` per dbt model, snapshot, feature view, training set and service, with what it reads and makes; a
``DatasetEvent`` per source and seed. They say how things are, not that anything ran: there is no run in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from featurestore.catalog.graph import views_of_service
from featurestore.definitions.graph import service_id, view_id
from featurestore.definitions.references import select
from featurestore.errors import FeatureStoreError, NameClashError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from featurestore.definitions.graph import Graph, GraphNode
    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Selection
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView

Event = dict[str, Any]
Inputs = Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]
"""By unique id of a node and by its column, what the column is made of: unique ids and columns."""
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs"
_FACETS = {
    "schema": "1-2-0/SchemaDatasetFacet",
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "documentation": "1-1-0/DocumentationDatasetFacet",
    "job documentation": "1-1-0/DocumentationJobFacet",
    "ownership": "1-0-1/OwnershipDatasetFacet",
    "job ownership": "1-0-1/OwnershipJobFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What stands in front of names.

    Attributes:
        producer: a URI that says who made the events.
        datasets: the warehouse, as OpenLineage names it: ``postgres://host:5432``.
        jobs: the namespace of jobs.
        at: the time of the events: when the definitions were applied.
        columns: what columns are made of, as far as that is known.
    """

    producer: str
    datasets: str
    jobs: str
    at: datetime
    columns: Inputs = field(default_factory=dict)


def openlineage_events(graph: Graph, project: Project, places: Places) -> tuple[Event, ...]:
    """Write the events, sources first; equal definitions give equal events."""
    return tuple(_Writer(graph=graph, project=project, places=places).events())


def warehouse_namespace(adapter: str, values: Mapping[str, object]) -> str:
    """Name a warehouse as OpenLineage does, from dbt's profile: hosts and accounts, no user and no folder."""
    host, port = str(values.get("host") or ""), values.get("port")
    at = f"{host}:{port}" if port else host
    named = {
        "bigquery": "bigquery",
        "snowflake": f"snowflake://{values.get('account') or ''}",
        "databricks": f"databricks://{host}",
        "duckdb": f"duckdb://{str(values.get('path') or 'memory').replace(chr(92), '/').rpartition('/')[2]}",
    }
    default = {"postgres": 5432, "redshift": 5439}.get(adapter)
    return named.get(adapter) or f"{adapter}://{at if port or default is None else f'{host}:{default}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    graph: Graph
    project: Project
    places: Places

    def events(self) -> Iterator[Event]:
        views = {view_id(self.project, view): view for view in self.project.views}
        services = {service_id(self.project, each) for each in self.project.services}
        for node in self.graph.nodes:
            if node.kind in {"source", "seed"}:
                yield self._event("DatasetEvent", dataset=self._dataset(node, None))
        for node in self.graph.nodes:
            if node.kind in {"model", "snapshot"}:
                yield self._model(node, views.get(node.unique_id))
            if node.kind == "exposure" and node.unique_id not in services:
                yield self._job(node, kind=(node.exposure_type or "exposure").upper(), outputs=[])
        for service in self.project.services:
            yield self._service(service)

    def _event(self, kind: str, **more: object) -> Event:
        at = f"{self.places.at:%Y-%m-%dT%H:%M:%S.%f}Z"
        return {"eventTime": at, "producer": self.places.producer, "schemaURL": f"{_EVENT}/{kind}", **more}

    def _model(self, node: GraphNode, view: FeatureView | None) -> Event:
        kind = "FEATURE_VIEW" if view is not None else "TRAINING_SET" if node.is_training_set else node.kind.upper()
        return self._job(node, kind=kind, outputs=[self._dataset(node, view)])

    def _job(self, node: GraphNode, *, kind: str, outputs: list[Event]) -> Event:
        facets = {
            **self._facet("job documentation", {"description": _folded(node.description)}),
            **self._ownership("job ownership", node.owner),
            **self._job_type(kind, "DBT"),
        }
        job = {"namespace": self.places.jobs, "name": node.unique_id, "facets": facets}
        inputs = [self._name(parent) for parent in self.graph.parents(node.unique_id)]
        return self._event("JobEvent", job=job, inputs=inputs, outputs=outputs)

    def _service(self, service: FeatureService) -> Event:
        own = {"namespace": f"featurestore://{self.project.name}", "name": f"feature_service.{service.name}"}
        chosen = _chosen(self.project, service)
        schema, lineage = [], {}
        for output in chosen.outputs if chosen is not None else ():
            said = {
                "name": output.name,
                "type": output.feature.type,
                "description": _folded(output.feature.description),
            }
            schema.append({key: text for key, text in said.items() if text})
            lineage[output.name] = {
                "inputFields": [
                    {
                        **self._name(self.graph.by_id[view_id(self.project, output.use.view)]),
                        "field": output.feature.name,
                        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
                    }
                ]
            }
        facets = {
            **self._facet("schema", {"fields": schema}),
            **self._facet("columnLineage", {"fields": lineage}),
            **self._facet("documentation", {"description": _folded(service.description)}),
        }
        job_facets = {
            **self._facet("job documentation", {"description": _folded(service.description)}),
            **self._ownership("job ownership", service.owner),
            **self._job_type("FEATURE_SERVICE", "FEATURESTORE"),
        }
        views = views_of_service(self.project, service)
        inputs = [self._name(self.graph.by_id[view_id(self.project, view)]) for view in views]
        job = {"namespace": self.places.jobs, "name": service_id(self.project, service), "facets": job_facets}
        return self._event("JobEvent", job=job, inputs=inputs, outputs=[{**own, "facets": facets}])

    def _dataset(self, node: GraphNode, view: FeatureView | None) -> Event:
        description = view.description if view is not None else node.description
        facets = {
            **self._facet("dataSource", {"name": self.places.datasets, "uri": self.places.datasets}),
            **self._facet("documentation", {"description": _folded(description)}),
            **self._ownership("ownership", view.owner if view is not None else node.owner),
            **self._facet("schema", {"fields": _fields(view)}),
            **self._facet("columnLineage", {"fields": self._lineage(node)}),
        }
        return {**self._name(node), "facets": facets}

    def _lineage(self, node: GraphNode) -> Event:
        """What is known of the node's columns: of which columns each is made."""
        return {
            column: {
                "inputFields": [{**self._name(self.graph.by_id[parent]), "field": name} for parent, name in sources]
            }
            for column, sources in self.places.columns.get(node.unique_id, {}).items()
        }

    def _name(self, node: GraphNode) -> Event:
        """A table by its parts, as the warehouse has it without quotes; what has no table by dbt's id."""
        parts = node.unique_id
        if node.relation:
            try:
                table = exp.to_table(node.relation, dialect=self.project.dialect)
                parts = ".".join(part.name for part in table.parts)
            except sqlglot.errors.SqlglotError:
                parts = node.relation
        return {"namespace": self.places.datasets, "name": parts}

    def _ownership(self, name: str, owner: str) -> Event:
        return self._facet(name, {"owners": [{"name": owner}] if owner else []})

    def _job_type(self, kind: str, integration: str) -> Event:
        return self._facet("jobType", {"processingType": "BATCH", "integration": integration, "jobType": kind})

    def _facet(self, name: str, values: Event) -> Event:
        """One facet by its key; nothing where its first value is empty."""
        if not next(iter(values.values())):
            return {}
        path = _FACETS[name]
        schema = f"{_SPEC}/facets/{path}.json#/$defs/{path.rpartition('/')[2]}"
        return {name.removeprefix("job "): {"_producer": self.places.producer, "_schemaURL": schema, **values}}


def _fields(view: FeatureView | None) -> list[Event]:
    if view is None:
        return []
    said = {feature.name: _folded(feature.description) for feature in view.features}
    return [
        {
            "name": column.name,
            "type": column.type,
            **({"description": said[column.name]} if said.get(column.name) else {}),
        }
        for column in view.row_columns
    ]


def _chosen(project: Project, service: FeatureService) -> Selection | None:
    """What a service asks for; None where it names what is not there."""
    try:
        return select(project, service.features)
    except NameClashError:
        return select(project, service.features, full_feature_names=True)
    except FeatureStoreError:
        return None


def _folded(text: str) -> str:
    return " ".join(text.split())
