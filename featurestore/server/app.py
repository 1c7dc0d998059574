"""The ASGI application of a worker: lookups first, by a path of their own; everything else by Starlette.

Each room that the server has (`Lookups`, `Readiness`, ...) is made in `build`, and its endpoints stand in `_routes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from featurestore.errors import FeatureStoreError
from featurestore.server import lookups
from featurestore.server.auth.guard import Guard
from featurestore.server.catalog import Catalog
from featurestore.server.health import Readiness
from featurestore.server.lookups import Lookups
from featurestore.server.problems import error_body, explain
from featurestore.server.writes import Writes

if TYPE_CHECKING:
    from starlette.requests import Request

    from featurestore.online.protocol import OnlineStore
    from featurestore.server.asgi import App, Receive, Scope, Send
    from featurestore.server.config import ServerConfig
    from featurestore.server.served import Newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What answers requests.

    Attributes:
        lookups: the hot path.
        others: Starlette, for everything else.
    """

    lookups: Lookups
    others: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == lookups.PATH and scope["method"] == "POST":
            await self.lookups(scope, receive, send)
        else:
            await self.others(scope, receive, send)


def build(config: ServerConfig, newest: Newest, store: OnlineStore) -> Rooms:
    """Make the application of one worker."""
    answers = Lookups(newest, config.settings)
    writes = Writes(config, newest, Guard(config.settings))
    others = Starlette(routes=[*_routes(newest, store), *writes.routes()], exception_handlers=_HANDLERS)
    return Rooms(lookups=answers, others=others)


def _routes(newest: Newest, store: OnlineStore) -> list[Route]:
    readiness, catalog = Readiness(newest), Catalog(newest, store)

    async def health(_: Request) -> Response:
        return Response()

    async def ready(_: Request) -> Response:
        status = await readiness.status()
        return json_response(status, 200 if status.is_ready else 503)

    async def services(_: Request) -> Response:
        return json_response(catalog.services())

    async def views(_: Request) -> Response:
        return json_response(await catalog.views())

    async def wrong_method(_: Request) -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    return [
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
        Route("/feature-services", services, methods=["GET"]),
        Route("/feature-views", views, methods=["GET"]),
        Route(lookups.PATH, wrong_method),  # a POST never comes here
    ]


def json_response(value: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _explained(request: Request, problem: Exception) -> Response:
    request_id = request.headers.get("x-request-id") or uuid4().hex
    answer = explain(problem, request_id)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, media_type="application/json", headers=headers)


async def _refused(_: Request, problem: Exception) -> Response:
    """Answer what Starlette refuses: no such path, another method."""
    assert isinstance(problem, HTTPException)
    body = error_body(problem.detail)
    return Response(body, problem.status_code, media_type="application/json", headers=dict(problem.headers or {}))


_HANDLERS = {FeatureStoreError: _explained, HTTPException: _refused, Exception: _explained}
