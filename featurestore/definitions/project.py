"""A project's definitions: everything the registry keeps and every other part reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from featurestore.definitions.entities import Entity
from featurestore.definitions.services import FeatureService
from featurestore.definitions.streams import Stream
from featurestore.definitions.views import FeatureView
from featurestore.errors import UnknownNameError, unknown_name


class Definitions(Protocol):
    """What a lookup asks of a project; the whole of it, or what is decoded when it is asked for."""

    @property
    def name(self) -> str:
        """The dbt project's name; first part of every online key."""
        ...

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """All views."""
        ...

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """All services."""
        ...

    def view(self, name: str, *, version: str | None = None) -> FeatureView:
        """Find a view; without a version the latest one. Raises UnknownNameError with near names."""
        ...

    def service(self, name: str) -> FeatureService:
        """Find a feature service. Raises UnknownNameError with near names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Entities, feature views, feature services and streams of one dbt project for one target.

    Attributes:
        name: the dbt project's name; first part of every online key.
        target: the dbt target the manifest was made for.
        dialect: sqlglot's name of the target's warehouse.
        entities, views, services, streams: sorted by name (and version), so that equal projects are equal bytes
            (SEMANTICS R4).
    """

    name: str
    target: str = ""
    dialect: str = "duckdb"
    entities: tuple[Entity, ...] = ()
    views: tuple[FeatureView, ...] = ()
    services: tuple[FeatureService, ...] = ()
    streams: tuple[Stream, ...] = ()

    def view(self, name: str, *, version: str | None = None) -> FeatureView:
        """Find a view; without a version the latest one. Raises UnknownNameError with near names."""
        for view in self.views:
            if view.name == name and (view.is_latest if version is None else view.version == version):
                return view
        if version is not None:
            known = [view.reference for view in self.views if view.name == name]
            raise unknown_name("feature view", f"{name}@v{version}", known or [view.reference for view in self.views])
        for service in self.services:
            if service.name == name:
                views = ", ".join(dict.fromkeys(feature.partition(":")[0] for feature in service.features))
                raise UnknownNameError(
                    f"no feature view '{name}' in the registry, but a feature service of that name",
                    hint=f'name its views: {views}; or ask for features by feature_service="{name}", --service {name}',
                )
        raise unknown_name("feature view", name, {view.name for view in self.views})

    def named_view(self, reference: str) -> FeatureView:
        """Find a view by ``view`` or ``view@v2``; raises as `view`."""
        name, _, version = reference.partition("@v")
        return self.view(name, version=version or None)

    def service(self, name: str) -> FeatureService:
        """Find a feature service. Raises UnknownNameError with near names."""
        for service in self.services:
            if service.name == name:
                return service
        raise unknown_name("feature service", name, [service.name for service in self.services])

    def entity(self, name: str) -> Entity:
        """Find an entity. Raises UnknownNameError with near names."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise unknown_name("entity", name, [entity.name for entity in self.entities])

    def stream(self, name: str) -> Stream:
        """Find a stream. Raises UnknownNameError with near names."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise unknown_name("stream", name, [stream.name for stream in self.streams])

    def stream_views(self, name: str) -> tuple[FeatureView, ...]:
        """The online views that are made of a stream's events."""
        return tuple(view for view in self.views if view.stream is not None and view.stream.source == name)
