"""The gate: where requests are asked who sends them, and what they may read.

Shape: ``await gate.enter(scope)`` on the hot path, ``gate.around(app)`` for everything else; `grant_of` tells an
endpoint who asks. The rule: whoever did not pass the gate has no grant, and an endpoint that needs one fails without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from featurestore.errors import UnknownNameError
from featurestore.server.asgi import JSON, header, send_answer
from featurestore.server.auth.refused import not_allowed
from featurestore.server.problems import RefusedError, explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.definitions.scopes import Action
    from featurestore.server.asgi import App, Receive, Scope, Send
    from featurestore.server.auth.guard import Guard
    from featurestore.server.auth.scopes import Grant
    from featurestore.server.exposure import Hosts

OPEN_PATHS = frozenset(("/", "/health", "/ready", "/openapi.json"))
"""For probes, and for people before they have typed their key; none tells a feature."""
_GRANT = "featurestore.grant"
_MOST_KEPT = 4_096


class Gate:
    """The gate of one worker.

    Args:
        guard: who may pass.
        hosts: names that requests may call this machine by; None for any.
    """

    def __init__(self, guard: Guard, hosts: Hosts | None = None) -> None:
        self._guard = guard
        self._hosts = hosts
        self._readable: set[tuple[frozenset[str], tuple[str, ...]]] = set()

    async def enter(self, scope: Scope) -> Grant:
        """Find out who asks; `grant_of` knows from then on. Raises as `enter_known`; and 401 when nobody knows who."""
        grant = self.enter_known(scope)
        if grant is None:
            authorization = dict(scope["headers"]).get(b"authorization")  # of several the last, as above
            grant = scope[_GRANT] = await self._guard.ask(authorization)
        return grant

    def enter_known(self, scope: Scope) -> Grant | None:
        """Find out who asks, if that takes no time; None if not.

        Raises:
            RefusedError: 403 for a name that is not this machine's; 415 for a body that is packed, which nobody
                unpacks here.
        """
        host = authorization = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"authorization":
                authorization = value
            elif name == b"content-encoding":
                hint = "send it without the header Content-Encoding"
                raise RefusedError(415, "expected a body that is not compressed or otherwise encoded", hint=hint)
        if self._hosts is not None:
            self._hosts.check(host)
        grant = self._guard.known(authorization)
        if grant is not None:
            scope[_GRANT] = grant
        return grant

    def check_read(self, grant: Grant, views: tuple[str, ...]) -> None:
        """Check that all these views may be read, once for each kind of request. Raises RefusedError (403)."""
        if "read:*" in grant.scopes or (grant.scopes, views) in self._readable:
            return
        require(grant, "read", views)
        if len(self._readable) >= _MOST_KEPT:
            self._readable.clear()
        self._readable.add((grant.scopes, views))

    def around(self, app: App) -> App:
        """Ask before `app` is asked, unless the path is open."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                if scope["path"] not in OPEN_PATHS:
                    await self.enter(scope)
                elif self._hosts is not None:
                    self._hosts.check(header(scope, b"host"))
            except RefusedError as refused:
                answer = explain(refused, uuid4().hex)
                await send_answer(send, answer.status, (JSON, *answer.headers), answer.body)
                return
            await app(scope, receive, send)

        return gated


def told(problem: UnknownNameError, grant: Grant) -> UnknownNameError:
    """The same problem for somebody who may not read everything: without names that are near, or known."""
    if "read:*" in grant.scopes:
        return problem
    without_names = UnknownNameError(problem.what)
    without_names.kind = problem.kind
    return without_names


def grant_of(scope: Scope) -> Grant:
    """Who asks, for an endpoint behind the gate."""
    grant: Grant = scope[_GRANT]
    return grant


def caller_of(scope: Scope) -> str:
    """The name of who asks, for logs; empty where nobody was asked, or nobody was let in."""
    grant: Grant | None = scope.get(_GRANT)
    return "" if grant is None else grant.name


def require(grant: Grant, action: Action, views: Iterable[str] = ("*",)) -> None:
    """Check that somebody may do this with all these views. Raises RefusedError (403)."""
    for view in views:
        if not grant.may(action, view):
            raise not_allowed(grant, action, view)
