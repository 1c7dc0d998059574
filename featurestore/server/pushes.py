"""Pushes over HTTP, in the helper: Feast's two endpoints, one path into the stores (`streams.push`)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.definitions.places import is_in_bucket
from featurestore.errors import OperationError, UnknownNameError, UsageError
from featurestore.online.open import open_online_store
from featurestore.registry.read import read_latest_document
from featurestore.server.problems import Answer, RefusedError
from featurestore.server.pushed_offline import PushedOffline
from featurestore.server.served import Newest
from featurestore.server.wire import Push, WriteToOnlineStore, read_request
from featurestore.streams.push import Pusher
from featurestore.streams.pushed_rows import EVENT_TIME, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.pushed import PushTo
    from featurestore.definitions.views import FeatureView
    from featurestore.server.config import ServerConfig

_LOOK_S = 1.0
_FAR_LOOK_S = 10.0  # a look at a bucket takes a push a while, and longer where it is away


class Pushes:
    """Rows that came over HTTP; for the helper's threads."""

    def __init__(self, config: ServerConfig) -> None:
        document = read_latest_document(config.registry, config.base_dir)
        self._store = open_online_store(config.online_store, project=document.content.name, base_dir=config.base_dir)
        self._newest = Newest(config, document, self._store)
        self._looked_at = time.monotonic()
        self._look_s = _FAR_LOOK_S if is_in_bucket(config.registry.uri) else _LOOK_S
        self._looking = threading.Lock()
        self._offline = PushedOffline(config)
        self._pusher = Pusher(document.content.name, self._store, self._offline.of)

    def push(self, body: bytes) -> Answer:
        """Answer ``POST /push``."""
        asked = read_request(body, Push)
        return self._write(asked.push_source_name, asked.df, asked.to)

    def write(self, body: bytes) -> Answer:
        """Answer ``POST /write-to-online-store``."""
        asked = read_request(body, WriteToOnlineStore)
        return self._write(asked.feature_view_name, asked.df)

    def close(self) -> None:
        """Bring what was pushed offline to the warehouse, and close the store."""
        self._offline.close()
        self._store.close()

    def _write(self, name: str, columns: Mapping[str, Sequence[Any]], to: PushTo = "online") -> Answer:
        view = self._view(name)
        try:
            rows = rows_of(view, columns)
        except UsageError as problem:
            raise _as_it_was_called(problem, view, columns) from None
        try:
            done = self._pusher.push(view, rows, to)
        except OperationError as problem:
            raise RefusedError(409, str(problem)) from problem
        return Answer(200, msgspec.json.encode(done))

    def _view(self, name: str) -> FeatureView:
        """The view of a name; a worker may have checked one that only a newer registry version has."""
        if time.monotonic() - self._looked_at >= self._look_s and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        try:
            return self._newest.now.project.named_view(name)
        except UnknownNameError:
            with self._looking:
                self._look()
            return self._newest.now.project.named_view(name)

    def _look(self) -> None:
        self._newest.look(at_once=True)
        self._looked_at = time.monotonic()


def _as_it_was_called(problem: UsageError, view: FeatureView, columns: Mapping[str, Sequence[Any]]) -> UsageError:
    """The same problem; where it is with the event time, by the name that was sent, too."""
    name = view.event_time.name
    if problem.where is None or EVENT_TIME not in columns or name in columns:
        return problem
    where = problem.where.replace(f"column '{name}'", f"column '{EVENT_TIME}' (which is '{name}')")
    return UsageError(problem.what, where=where, hint=problem.hint)
