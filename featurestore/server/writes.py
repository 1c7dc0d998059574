"""The endpoints that change something: checked here, done by the helper (`helper_calls`).

The rule: they do not exist until somebody can carry their scope; a push needs ``write:VIEW``, a sync ``admin:*``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from featurestore.definitions.moments import parse_moment
from featurestore.definitions.server import Limits
from featurestore.errors import UsageError
from featurestore.server.asgi import read_body
from featurestore.server.auth.gate import grant_of, require
from featurestore.server.helper_calls import Call, SyncAsked, ask_helper
from featurestore.server.turns import Turns
from featurestore.server.watch import REQUEST_ID
from featurestore.server.wire import Materialize, MaterializeIncremental, read_request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request

    from featurestore.server.auth.guard import Guard
    from featurestore.server.config import ServerConfig
    from featurestore.server.helper_calls import Kind
    from featurestore.server.served import Newest

_PUSH_S, _ADMIN_S = 60.0, 15.0
_WRITES_AT_ONCE, _WRITES_WAITING = 8, 64
_SCOPES = {
    "/push": "write:VIEW",
    "/write-to-online-store": "write:VIEW",
    "/materialize": "admin:*",
    "/materialize-incremental": "admin:*",
    "/jobs": "admin:*",
}


def scope_of(path: str) -> str | None:
    """The scope without which this path is off; None for one that is never there."""
    return _SCOPES.get("/jobs" if path.startswith("/jobs/") else path)


class _PushTo(msgspec.Struct):
    push_source_name: str


class _WriteTo(msgspec.Struct):
    feature_view_name: str


class Writes:
    """Pushes and syncs."""

    def __init__(self, config: ServerConfig, newest: Newest, guard: Guard) -> None:
        self._config = config
        self._newest = newest
        self._guard = guard
        self._turns = Turns(Limits(store_calls=_WRITES_AT_ONCE, waiting=_WRITES_WAITING))

    def routes(self) -> list[Route]:
        """The endpoints whose scope somebody can have."""
        writes = [Route("/push", self.push, methods=["POST"])]
        writes += [Route("/write-to-online-store", self.write, methods=["POST"])]
        admins = [
            Route("/materialize", self.materialize, methods=["POST"]),
            Route("/materialize-incremental", self.materialize_incremental, methods=["POST"]),
            Route("/jobs", self.jobs, methods=["GET"]),
            Route("/jobs/{id}", self.job, methods=["GET"]),
        ]
        return [
            *(writes if self._guard.has_scope("write") else ()),
            *(admins if self._guard.has_scope("admin") else ()),
        ]

    async def push(self, request: Request) -> Response:
        """``POST /push``: rows of a view into the online store."""
        body = await self._body(request)
        return await self._write(request, "push", read_request(body, _PushTo).push_source_name, body)

    async def write(self, request: Request) -> Response:
        """``POST /write-to-online-store``: the same, under its other name."""
        body = await self._body(request)
        return await self._write(request, "write", read_request(body, _WriteTo).feature_view_name, body)

    async def materialize(self, request: Request) -> Response:
        """``POST /materialize``: a sync between two event times."""
        asked = read_request(await self._body(request), Materialize)
        return await self._sync(
            request, asked.feature_views, asked.start_ts, asked.end_ts, full=asked.disable_event_timestamp
        )

    async def materialize_incremental(self, request: Request) -> Response:
        """``POST /materialize-incremental``: a sync of what is new."""
        asked = read_request(await self._body(request), MaterializeIncremental)
        return await self._sync(request, asked.feature_views, None, asked.end_ts, full=False)

    async def job(self, request: Request) -> Response:
        """``GET /jobs/ID``: what became of a sync."""
        require(grant_of(request.scope), "admin")
        return await self._ask(request, "job", request.path_params["id"].encode(), _ADMIN_S)

    async def jobs(self, request: Request) -> Response:
        """``GET /jobs``: all syncs that this server was asked for."""
        require(grant_of(request.scope), "admin")
        return await self._ask(request, "jobs", b"", _ADMIN_S)

    async def _write(self, request: Request, kind: Kind, name: str, body: bytes) -> Response:
        # Whether the name is known is said to those who may write it only.
        require(grant_of(request.scope), "write", (name,))
        self._newest.now.project.named_view(name)
        await self._turns.take()
        try:
            return await self._ask(request, kind, body, _PUSH_S)
        finally:
            self._turns.give()

    async def _sync(
        self, request: Request, names: Sequence[str] | None, start: str | None, end: str | None, *, full: bool
    ) -> Response:
        require(grant_of(request.scope), "admin")
        project = self._newest.now.project
        views = [project.named_view(name) for name in names or ()]
        for view in views:
            if not view.online:
                raise UsageError(f"feature view {view.reference} is not online")
        since, until = parse_moment(start, where="start_ts"), parse_moment(end, where="end_ts")
        if since is not None and until is not None and since > until:
            raise UsageError(f"expected a time not after end_ts, got {start}", where="start_ts")
        asked = SyncAsked(views=tuple(view.reference for view in views), start=_iso(since), end=_iso(until), full=full)
        return await self._ask(request, "materialize", msgspec.json.encode(asked), _ADMIN_S)

    async def _body(self, request: Request) -> bytes:
        return await read_body(request.receive, self._config.settings.limits.body_bytes)

    async def _ask(self, request: Request, kind: Kind, body: bytes, timeout_s: float) -> Response:
        call = Call(kind, body, request.scope[REQUEST_ID])
        answer = await ask_helper(self._config.state_dir, call, timeout_s=timeout_s)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, media_type="application/json", headers=headers)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
