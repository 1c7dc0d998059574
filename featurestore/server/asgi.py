"""The little of ASGI that the hot path needs: a request's body, and an answer in two messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = "Sequence[tuple[bytes, bytes]]"

JSON = (b"content-type", b"application/json")


class GoneError(Exception):
    """The client closed the connection; there is nobody to answer."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Find a request's header, its name in lower case; the first of several, None if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """Read a request's body. Raises RefusedError (413) beyond the limit, GoneError when the client has gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise GoneError
    if not message.get("more_body", False) and len(body) <= most_bytes:
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False) and size <= most_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > most_bytes:
        raise too_long(most_bytes)
    return b"".join(parts)


def too_long(most_bytes: int) -> RefusedError:
    """Say that a body is too long."""
    return RefusedError(
        413, f"expected at most {most_bytes} bytes in the body, got more", hint="ask in several requests"
    )


async def send_answer(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
