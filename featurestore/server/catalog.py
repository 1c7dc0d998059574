"""What can be asked for: the feature services and views of the registry, and how fresh the views' rows are."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.state import parse_state, state_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import Watermark
    from featurestore.prometheus import Series
    from featurestore.server.auth.scopes import Grant
    from featurestore.server.served import Newest, Planned, Served

_KEPT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name and a type."""

    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """A feature service.

    Attributes:
        name, description, owner, tags: as the exposure says.
        features: references, in output order.
        join_keys: what an entity needs, with types.
    """

    name: str
    description: str
    owner: str
    tags: tuple[str, ...]
    features: tuple[str, ...]
    join_keys: tuple[Named, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLine:
    """A feature view that is online.

    Attributes:
        name: its reference.
        join_keys, features: with types.
        ttl_s: after how many seconds a value is too old; None for never.
        latest_event_at: greatest event time that was synced, UTC; None before the first sync, or if the store is away.
        synced_at: when that sync ended.
    """

    name: str
    description: str
    join_keys: tuple[Named, ...]
    features: tuple[Named, ...]
    ttl_s: float | None
    latest_event_at: datetime | None
    synced_at: datetime | None


class Catalog:
    """Reads watermarks at most once a second."""

    def __init__(self, newest: Newest, store: OnlineStore) -> None:
        self._newest = newest
        self._store = store
        self._watermarks: dict[str, Watermark] = {}
        self._read_at = float("-inf")

    def services(self, grant: Grant) -> dict[str, object]:
        """The feature services that may be read, and can be: one with a view that is not online is for training."""
        served = self._newest.now
        return {
            "registry_version": served.version,
            "feature_services": [
                ServiceLine(
                    name=service.name,
                    description=service.description,
                    owner=service.owner,
                    tags=service.tags,
                    features=service.features,
                    join_keys=tuple(
                        Named(name=column.name, type=column.type) for column in asked.plan.entity_columns.columns
                    ),
                )
                for service, asked in _answered(served)
                if all(grant.may("read", view) for view in asked.views)
            ],
        }

    async def views(self, grant: Grant) -> dict[str, object]:
        """The feature views that may be read, and how far each was synced."""
        served = self._newest.now
        watermarks = await self.watermarks(served.project)
        views = [view for view in served.project.views if view.online and grant.may("read", view.reference)]
        return {
            "registry_version": served.version,
            "feature_views": [_view_line(view, watermarks.get(view.reference)) for view in views],
        }

    async def series(self) -> Series:
        """The times of the views, as metrics."""
        views = [view for view in self._newest.now.project.views if view.online]
        watermarks = await self.watermarks(self._newest.now.project)
        series: Series = {}
        for view in views:
            name, watermark = view.reference, watermarks.get(view.reference)
            if view.ttl_us is not None:
                series["featurestore_view_ttl_seconds", name] = view.ttl_us / 1_000_000
            if watermark is not None:
                series["featurestore_view_newest_event_timestamp_seconds", name] = watermark.event_time.timestamp()
                series["featurestore_view_synced_timestamp_seconds", name] = watermark.synced_at.timestamp()
        return series

    async def watermarks(self, project: Project) -> Mapping[str, Watermark]:
        """How far each view was synced, by reference; what was known last while the store is away."""
        if time.monotonic() - self._read_at >= _KEPT_S:
            self._read_at = time.monotonic()
            self._watermarks = await asyncio.to_thread(self._read, project)
        return self._watermarks

    def _read(self, project: Project) -> dict[str, Watermark]:
        views = [view for view in project.views if view.online]
        try:
            notes = self._store.read((), [state_note(view) for view in views])
        except OnlineStoreError:
            return self._watermarks
        states = {view.reference: parse_state(note) for view, note in zip(views, notes, strict=True)}
        return {name: state.watermark for name, state in states.items() if state.watermark is not None}


def _answered(served: Served) -> Iterator[tuple[FeatureService, Planned]]:
    for service in served.project.services:
        with suppress(UsageError):
            yield service, served.planned(None, service.name, full_feature_names=True)


def _view_line(view: FeatureView, watermark: Watermark | None) -> ViewLine:
    return ViewLine(
        name=view.reference,
        description=view.description,
        join_keys=tuple(Named(name=key.name, type=key.type) for key in view.join_keys),
        features=tuple(
            Named(name=feature.name, type=feature.type, description=feature.description) for feature in view.features
        ),
        ttl_s=None if view.ttl_us is None else view.ttl_us / 1_000_000,
        latest_event_at=None if watermark is None else watermark.event_time,
        synced_at=None if watermark is None else watermark.synced_at,
    )
