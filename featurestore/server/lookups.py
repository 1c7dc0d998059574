"""``POST /get-online-features``: the hot path, from the request's bytes to the answer's, without a framework.

Shape: body -> typed request -> plan (compiled once) -> one read of the store -> JSON bytes.
"""

from __future__ import annotations

from contextlib import suppress
from time import time_ns
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, OnlineStoreError, UnknownNameError, UsageError
from featurestore.server.asgi import JSON, GoneError, read_body, send_answer, too_long
from featurestore.server.auth.gate import told
from featurestore.server.problems import Repeats, explain
from featurestore.server.turns import Turns
from featurestore.server.watch import GONE, Seen
from featurestore.server.wire import read_lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.server import ServerSettings
    from featurestore.server.asgi import Receive, Scope, Send
    from featurestore.server.auth.gate import Gate
    from featurestore.server.log.feature_log import FeatureLog
    from featurestore.server.served import Newest, Planned, Served
    from featurestore.server.watch import Watch
    from featurestore.server.wire import GetOnlineFeatures
    from featurestore.serving.entities import EntityRows
    from featurestore.serving.outputs import PlannedOutput

PATH = "/get-online-features"
Reply = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]
"""Status, headers, body."""


class Lookups:
    """An ASGI application for this one path.

    Attributes:
        turns: of the store.
    """

    def __init__(
        self, newest: Newest, settings: ServerSettings, gate: Gate, watch: Watch, feature_log: FeatureLog
    ) -> None:
        self._newest = newest
        self._limits = settings.limits
        self._gate = gate
        self.turns = Turns(settings.limits)
        self._watch = watch
        self._repeats = Repeats()
        self._feature_log = feature_log
        self._logged: Served | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with suppress(GoneError):
            status, headers, body = await self.reply(scope, receive)
            await send_answer(send, status, headers, body)

    async def reply(self, scope: Scope, body: bytes | Receive) -> Reply:
        """Answer one request; it is counted and logged then.

        Args:
            scope: the request's; of it only ``method``, ``path``, ``headers`` and ``client`` are read.
            body: its body, or where that comes from.

        Raises:
            GoneError: the client closed the connection before it had sent the body.
        """
        seen = Seen(self._watch.ids.of(scope))
        request_id, status = seen.request_id, 200
        headers: tuple[tuple[bytes, bytes], ...] = (JSON, (b"x-request-id", request_id.encode()))
        try:
            answer = await self._answer(scope, body, seen)
        except GoneError:
            self._watch.looked_up(scope, GONE, seen)
            raise
        except FeatureStoreError as problem:
            if isinstance(problem, OnlineStoreError):
                self._watch.tallies.store_failed(problem)
            said = explain(problem, request_id, self._repeats)
            status, answer, headers = said.status, said.body, (*headers, *said.headers)
        except Exception as problem:  # noqa: BLE001  logged with its traceback, under the id that is answered
            said = explain(problem, request_id)
            status, answer = said.status, said.body
        self._watch.looked_up(scope, status, seen)
        return status, headers, answer

    async def _answer(self, scope: Scope, body: bytes | Receive, seen: Seen) -> bytes:
        """Answer one request with JSON, or raise what is wrong with it; notes in `seen` how far it came."""
        grant = self._gate.enter_known(scope) or await self._gate.enter(scope)
        if not isinstance(body, bytes):
            body = await read_body(body, self._limits.body_bytes)
        elif len(body) > self._limits.body_bytes:
            raise too_long(self._limits.body_bytes)
        request = read_lookup(body)
        served = self._newest.now
        try:
            planned = self._planned(served, request)
        except UnknownNameError as problem:
            raise told(problem, grant) from None
        self._gate.check_read(grant, planned.views)
        seen.planned = planned
        if served is not self._logged:
            self._feature_log.define(served.project)
            self._logged = served
        if not self.turns.take_now():
            await self.turns.take()
        served_us = time_ns() // 1_000  # after the wait: the moment that ages are judged at
        try:
            response = await served.client.answer(planned.plan, _needed(request, planned.plan.entity_columns.columns))
        finally:
            self.turns.give()
        views = planned.versions if request.include_feature_view_version_metadata else None
        written = response.to_feast_json(has_types=request.include_types, views=views)
        seen.response = response
        if planned.service and response.count:
            self._feature_log.note(
                planned.service,
                request_id=seen.request_id,
                served_us=served_us,
                registry_version=served.version,
                columns=request.entities,
                body=written,
            )
        return written

    def _planned(self, served: Served, request: GetOnlineFeatures) -> Planned:
        limits = self._limits
        if len(request.features or ()) > limits.features:
            raise UsageError(f"expected at most {limits.features} features, got {len(request.features or ())}")
        if sum(map(len, request.entities.values())) > limits.entities:
            most = max(map(len, request.entities.values()))
            if most > limits.entities:
                raise UsageError(f"expected at most {limits.entities} entities, got {most}")
        if (request.entity_count or 0) > limits.entities:
            raise UsageError(f"expected at most {limits.entities} entities, got {request.entity_count}")
        planned = served.planned(
            request.features, request.feature_service, full_feature_names=request.full_feature_names
        )
        if len(planned.plan.outputs.columns) > limits.features:
            raise UsageError(f"expected at most {limits.features} features, got {len(planned.plan.outputs.columns)}")
        return planned


def _needed(request: GetOnlineFeatures, columns: Sequence[PlannedOutput]) -> EntityRows:
    """The join keys that these features need: callers may send all that they have, as Feast lets them."""
    entities = request.entities
    if not entities and request.entity_count is not None:
        return [{}] * request.entity_count
    if len(entities) == len(columns):
        return entities
    if len(set(map(len, entities.values()))) > 1:
        got = ", ".join(f"{name}: {len(values)}" for name, values in entities.items())
        raise UsageError(f"the columns differ in length: {got}", where="entities", hint="give each entity all keys")
    return {column.name: entities[column.name] for column in columns if column.name in entities}
