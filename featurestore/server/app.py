"""The ASGI application of a worker: lookups first, by a path of their own; everything else by Starlette.

Each room that the server has (`Lookups`, `Readiness`, ...) is made in `build`, and its endpoints stand in `_routes`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from featurestore.errors import FeatureStoreError, format_problem
from featurestore.prometheus import CONTENT_TYPE
from featurestore.server import lookups
from featurestore.server.asgi import JSON, GoneError, send_answer
from featurestore.server.auth.gate import Gate, grant_of, require
from featurestore.server.auth.guard import Guard
from featurestore.server.catalog import Catalog
from featurestore.server.cors import with_cors
from featurestore.server.health import Readiness
from featurestore.server.instruments import turn_series
from featurestore.server.job_counts import JobCounts
from featurestore.server.lookups import Lookups
from featurestore.server.page import page
from featurestore.server.problems import error_body, explain
from featurestore.server.watch import GONE, REQUEST_ID
from featurestore.server.writes import Writes, scope_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from featurestore.online.protocol import OnlineStore
    from featurestore.server.asgi import App, Receive, Scope, Send
    from featurestore.server.config import ServerConfig
    from featurestore.server.exposure import Hosts
    from featurestore.server.instruments import Instruments
    from featurestore.server.served import Newest


_SEE = "GET /openapi.json lists what is here"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a worker answers with.

    Attributes:
        lookups: answers lookups, for those who have one whole.
        everything: answers everything.
    """

    lookups: Lookups
    everything: App


def build(
    config: ServerConfig, newest: Newest, store: OnlineStore, instruments: Instruments, *, hosts: Hosts | None = None
) -> Application:
    """Make the application of one worker; `hosts` are the names that it answers to, None for any."""
    guard = Guard(config.settings)
    gate, watch = Gate(guard, hosts), instruments.watch
    answers = Lookups(newest, config.settings, gate, watch, instruments.feature_log)
    writes = Writes(config, newest, guard)
    routes = [*_routes(config, newest, Catalog(newest, store), instruments), *writes.routes()]
    routes.append(_description(routes, config))
    instruments.metrics.add(lambda: turn_series(answers.turns, config.settings.limits.store_calls))
    starlette = Starlette(routes=routes, exception_handlers=_HANDLERS, middleware=[Middleware(_Defects)])
    starlette.router.redirect_slashes = False  # it would send people wherever the header Host says
    others = watch.around(gate.around(starlette), routes)
    everything = with_cors(Rooms(lookups=answers, others=others), config.settings.cors)
    return Application(lookups=answers, everything=everything)


class _WrongMethod:
    """An application, since Starlette lets a function have GET alone."""

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        """Refuse."""
        raise HTTPException(405, headers={"Allow": "POST"})


def _routes(config: ServerConfig, newest: Newest, catalog: Catalog, instruments: Instruments) -> list[Route]:
    readiness = Readiness(newest, tells_names=not config.settings.asks_who)

    async def health(_: Request) -> Response:
        return Response()

    async def ready(_: Request) -> Response:
        status = await readiness.status()
        return json_response(status, 200 if status.is_ready else 503)

    async def services(request: Request) -> Response:
        return json_response(catalog.services(grant_of(request.scope)))

    async def views(request: Request) -> Response:
        return json_response(await catalog.views(grant_of(request.scope)))

    jobs = JobCounts(config.state_dir / "jobs")

    async def metrics(request: Request) -> Response:
        require(grant_of(request.scope), "read")
        more = await catalog.series(), await asyncio.to_thread(jobs.series)
        return Response(await instruments.metrics.scrape(*more), media_type=CONTENT_TYPE)

    async def for_people(_: Request) -> Response:
        html, headers = page()
        return Response(html, media_type="text/html", headers=headers)

    return [
        Route("/", for_people, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/feature-services", services, methods=["GET"]),
        Route("/feature-views", views, methods=["GET"]),
        Route(lookups.PATH, _WrongMethod()),  # a POST never comes here
    ]


def _description(routes: Sequence[Route], config: ServerConfig) -> Route:
    """The route that describes the others."""
    described = [
        (method.lower(), route.path) for route in routes for method in (route.methods or {"POST"}) if method != "HEAD"
    ]

    async def openapi(_: Request) -> Response:
        from featurestore.server.openapi import openapi

        body = openapi([*described, ("get", "/openapi.json")], config.settings)
        return Response(body, media_type="application/json")

    return Route("/openapi.json", openapi, methods=["GET"])


def json_response(value: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _explained(request: Request, problem: Exception) -> Response:
    answer = explain(problem, request.scope[REQUEST_ID])
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, media_type="application/json", headers=headers)


async def _refused(request: Request, problem: Exception) -> Response:
    """Answer what Starlette refuses: no such path, another method."""
    assert isinstance(problem, HTTPException)
    headers = dict(problem.headers or {})
    what, hint = problem.detail, _SEE
    if problem.status_code == HTTPStatus.NOT_FOUND:
        needed = scope_of(request.scope["path"])
        what = "there is no such path" if needed is None else f"this is off until a key has the scope {needed}"
        hint = _SEE if needed is None else "docs/guides/server-access.md says how to make one: featurestore server-key"
    elif problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        what = f"expected {headers.get('Allow', 'another method')} here, got {request.method}"
    body = error_body(format_problem(what, hint=hint))
    return Response(body, problem.status_code, media_type="application/json", headers=headers)


async def _gone(_request: Request, _problem: Exception) -> Response:
    """Answer nobody: the client closed the connection before it had said all."""
    return Response(status_code=GONE)


_HANDLERS = {FeatureStoreError: _explained, HTTPException: _refused, GoneError: _gone}


class _Defects:
    """Answers what no handler knows; a handler of `Exception` raises it on, and uvicorn logs it a second time."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._app(scope, receive, send)
        except Exception as problem:  # noqa: BLE001  logged with its traceback, under the id that is answered
            answer = explain(problem, scope[REQUEST_ID])
            await send_answer(send, answer.status, (JSON, *answer.headers), answer.body)
