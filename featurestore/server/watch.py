"""Each request is counted and logged once it is answered: lookups by a short path of their own, the rest in general."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from featurestore.server.access_log import Line
from featurestore.server.auth.gate import caller_of
from featurestore.server.auth.scopes import ANYBODY
from featurestore.server.request_ids import HEADER, RequestIds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route

    from featurestore.server.access_log import AccessLog
    from featurestore.server.asgi import App, Message, Receive, Scope, Send
    from featurestore.server.served import Planned
    from featurestore.server.tallies import Tallies
    from featurestore.serving.response import OnlineResponse

REQUEST_ID = "featurestore.request_id"
"""Where a request's id is in its scope."""
GONE = 499
_LONGEST_PATH = 256
_OTHER = "other"
_now = datetime.now
_clock = time.perf_counter


def _key_name(scope: Scope) -> str:
    name = caller_of(scope)
    return "" if name == ANYBODY.name else name


class Seen:
    """What is known of a lookup when it is over.

    Attributes:
        started: when it came, on the clock of `time.perf_counter`.
        request_id: its id.
        planned: what it asked for; None when it was refused before that was known.
        response: what was found; None if nothing was.
    """

    __slots__ = ("planned", "request_id", "response", "started")

    def __init__(self, request_id: str) -> None:
        self.started = _clock()
        self.request_id = request_id
        self.planned: Planned | None = None
        self.response: OnlineResponse | None = None


class Watch:
    """Counts and logs the requests of one worker.

    Attributes:
        ids: of requests.
        tallies: the numbers.
        log: the access log; None for none.
    """

    def __init__(self, tallies: Tallies, log: AccessLog | None) -> None:
        self.ids = RequestIds()
        self.tallies = tallies
        self.log = log

    def looked_up(self, scope: Scope, status: int, seen: Seen) -> None:
        """Count and log a lookup."""
        seconds = _clock() - seen.started
        planned, response, tallies = seen.planned, seen.response, self.tallies
        tallies.answered(scope["path"], status)
        if planned is not None:
            tallies.looked_up(planned, seconds, response)
        if self.log is not None:
            self.log.add(
                Line(
                    _now(timezone.utc),
                    seen.request_id,
                    scope["method"],
                    scope["path"],
                    status,
                    int(seconds * 1e6) / 1e3,
                    "" if planned is None else planned.service,
                    0 if response is None else response.count,
                    0 if planned is None else len(planned.plan.outputs.columns),
                    scope["client"][0] if scope["client"] else "",
                    _key_name(scope),
                )
            )

    def around(self, app: App, routes: Sequence[Route]) -> App:
        """Count and log what another application answers, and give each answer its id.

        Args:
            app: the application.
            routes: its endpoints; what is for none of them is counted as ``other``.
        """
        paths = {route.endpoint: route.path for route in routes}

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            started, status = _clock(), GONE
            request_id = scope[REQUEST_ID] = self.ids.of(scope)

            async def send_noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
                await send(message)

            try:
                await app(scope, receive, send_noted)
            finally:
                endpoint = paths.get(scope["endpoint"], _OTHER) if "endpoint" in scope else _OTHER
                self.tallies.answered(endpoint, status)
                if self.log is not None:
                    self.log.add(self._line(scope, status, _clock() - started))

        return watched

    def _line(self, scope: Scope, status: int, seconds: float) -> Line:
        return Line(
            at=_now(timezone.utc),
            request_id=scope[REQUEST_ID],
            method=scope["method"],
            path=scope["path"][:_LONGEST_PATH],
            status=status,
            ms=round(seconds * 1_000, 3),
            client=scope["client"][0] if scope["client"] else "",
            key=_key_name(scope),
        )
