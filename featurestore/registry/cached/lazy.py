"""Definitions that are decoded when they are asked for: of a thousand views a client needs the few that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import FeatureView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from featurestore.definitions.project import Project

Place = tuple[int, int]
"""Where something lies in the content: its first byte, and how many."""


class LazyProject:
    """What a client asks of a project; a name that is not there is asked of the whole, which knows what is near.

    Args:
        name: the project's.
        content: all of it, compact JSON.
        views: where each is, by name and version; version None is the latest.
        services: where each is, by name.
        whole: decodes all of it; raises RegistryCorruptError.
    """

    def __init__(
        self,
        *,
        name: str,
        content: memoryview,
        views: Mapping[tuple[str, str | None], Place],
        services: Mapping[str, Place],
        whole: Callable[[], Project],
    ) -> None:
        self._name = name
        self._content = content
        self._places, self._service_places = views, services
        self._decode_whole = whole
        self._whole: Project | None = None
        self._views: dict[Place, FeatureView] = {}

    @property
    def name(self) -> str:
        """The dbt project's name."""
        return self._name

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """All views; this decodes all."""
        return self.whole().views

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """All services; this decodes all."""
        return self.whole().services

    def whole(self) -> Project:
        """Decode all of it, once."""
        if self._whole is None:
            self._whole = self._decode_whole()
        return self._whole

    def view(self, name: str, *, version: str | None = None) -> FeatureView:
        """Find a view; without a version the latest one. Raises UnknownNameError with near names."""
        place = self._places.get((name, version))
        if place is None:
            return self.whole().view(name, version=version)
        found = self._views.get(place)
        if found is None:
            try:
                found = self._views[place] = msgspec.json.decode(self._cut(place), type=FeatureView)
            except msgspec.DecodeError:
                return self.whole().view(name, version=version)  # which says what is wrong with it
        return found

    def service(self, name: str) -> FeatureService:
        """Find a feature service. Raises UnknownNameError with near names."""
        place = self._service_places.get(name)
        if place is None:
            return self.whole().service(name)
        try:
            return msgspec.json.decode(self._cut(place), type=FeatureService)
        except msgspec.DecodeError:
            return self.whole().service(name)

    def _cut(self, place: Place) -> memoryview:
        return self._content[place[0] : place[0] + place[1]]
