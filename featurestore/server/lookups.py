"""``POST /get-online-features``: the hot path, from the request's bytes to the answer's, without a framework.

Shape: body -> typed request -> plan (compiled once) -> one read of the store -> JSON bytes.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

from featurestore.errors import FeatureStoreError, UsageError
from featurestore.server.asgi import JSON, GoneError, header, read_body, send_answer
from featurestore.server.problems import explain
from featurestore.server.turns import Turns
from featurestore.server.wire import read_lookup

if TYPE_CHECKING:
    from featurestore.definitions.server import ServerSettings
    from featurestore.server.asgi import Receive, Scope, Send
    from featurestore.server.served import Newest, Planned, Served
    from featurestore.server.wire import GetOnlineFeatures

PATH = "/get-online-features"
_LONGEST_ID = 128


class Lookups:
    """An ASGI application for this one path.

    Attributes:
        turns: of the store.
    """

    def __init__(self, newest: Newest, settings: ServerSettings) -> None:
        self._newest = newest
        self._limits = settings.limits
        self.turns = Turns(settings.limits)
        self._ids = map(f"{uuid4().hex[:16]}-{{:x}}".format, count())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = self._request_id(scope)
        status = 200
        headers: tuple[tuple[bytes, bytes], ...] = (JSON, (b"x-request-id", request_id.encode()))
        try:
            body = await self.answer(receive)
        except GoneError:
            return
        except FeatureStoreError as problem:
            answer = explain(problem, request_id)
            status, body, headers = answer.status, answer.body, (*headers, *answer.headers)
        except Exception as problem:
            answer = explain(problem, request_id)
            await send_answer(send, answer.status, headers, answer.body)
            raise
        await send_answer(send, status, headers, body)

    async def answer(self, receive: Receive) -> bytes:
        """Answer one request with JSON, or raise what is wrong with it."""
        request = read_lookup(await read_body(receive, self._limits.body_bytes))
        served = self._newest.now
        planned = self._planned(served, request)
        await self.turns.take()
        try:
            response = await served.client.answer(planned.plan, request.entities)
        finally:
            self.turns.give()
        return response.to_feast_json()

    def _planned(self, served: Served, request: GetOnlineFeatures) -> Planned:
        limits = self._limits
        if len(request.features or ()) > limits.features:
            raise UsageError(f"expected at most {limits.features} features, got {len(request.features or ())}")
        if sum(map(len, request.entities.values())) > limits.entities:
            most = max(map(len, request.entities.values()))
            if most > limits.entities:
                raise UsageError(f"expected at most {limits.entities} entities, got {most}")
        planned = served.planned(
            request.features, request.feature_service, full_feature_names=request.full_feature_names
        )
        if len(planned.plan.outputs) > limits.features:
            raise UsageError(f"expected at most {limits.features} features, got {len(planned.plan.outputs)}")
        return planned

    def _request_id(self, scope: Scope) -> str:
        """The caller's own, where it is short and plain; else a new one."""
        given = header(scope, b"x-request-id")
        if given is not None and 0 < len(given) <= _LONGEST_ID:
            text = given.decode("latin-1")
            if text.isascii() and text.isprintable():
                return text
        return next(self._ids)
