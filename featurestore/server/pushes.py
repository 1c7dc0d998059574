"""Pushes over HTTP, in the helper: Feast's two endpoints, one path into the online store (`streams.push`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.errors import OperationError, UsageError
from featurestore.online.open import open_online_store
from featurestore.registry.read import read_latest_document
from featurestore.server.problems import Answer, RefusedError
from featurestore.server.served import Newest
from featurestore.server.wire import Push, WriteToOnlineStore, read_request
from featurestore.streams.push import EVENT_TIME, Pusher, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.server.config import ServerConfig

_LOOK_S = 1.0


class Pushes:
    """Rows that came over HTTP; for the helper's threads."""

    def __init__(self, config: ServerConfig) -> None:
        document = read_latest_document(config.registry, config.base_dir)
        self._store = open_online_store(config.online_store, project=document.content.name, base_dir=config.base_dir)
        self._newest = Newest(config, document, self._store)
        self._looked_at = time.monotonic()
        self._pusher = Pusher(document.content.name, self._store)

    def push(self, body: bytes) -> Answer:
        """Answer ``POST /push``."""
        asked = read_request(body, Push)
        if asked.to != "online":
            raise RefusedError(
                501,
                f"rows are pushed to the online store only, got `to: {asked.to}`",
                hint="push with `to: online`, and load the same rows into the warehouse with your own tools",
            )
        return self._write(asked.push_source_name, asked.df)

    def write(self, body: bytes) -> Answer:
        """Answer ``POST /write-to-online-store``."""
        asked = read_request(body, WriteToOnlineStore)
        return self._write(asked.feature_view_name, asked.df)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _write(self, name: str, columns: Mapping[str, Sequence[Any]]) -> Answer:
        self._look()
        view = self._newest.now.project.named_view(name)
        try:
            rows = rows_of(view, columns)
        except UsageError as problem:
            raise _as_it_was_called(problem, view, columns) from None
        try:
            done = self._pusher.push(view, rows)
        except OperationError as problem:
            raise RefusedError(409, str(problem)) from problem
        return Answer(200, msgspec.json.encode(done))

    def _look(self) -> None:
        """Take up a newer registry version: a worker may have checked a name that only that one has."""
        if time.monotonic() - self._looked_at >= _LOOK_S:
            self._looked_at = time.monotonic()
            self._newest.look()


def _as_it_was_called(problem: UsageError, view: FeatureView, columns: Mapping[str, Sequence[Any]]) -> UsageError:
    """The same problem; where it is with the event time, by the name that was sent, too."""
    name = view.event_time.name
    if problem.where is None or EVENT_TIME not in columns or name in columns:
        return problem
    where = problem.where.replace(f"column '{name}'", f"column '{EVENT_TIME}' (which is '{name}')")
    return UsageError(problem.what, where=where, hint=problem.hint)
