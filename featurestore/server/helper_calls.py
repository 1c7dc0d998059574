"""What workers ask the helper, and how: one question per connection on a Unix socket in the server's own folder.

Shape: ``length (4 bytes, big-endian) | MessagePack`` each way. The supervisor listens there and starts the helper when
the first question comes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec

from featurestore.server.problems import Answer, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["push", "write", "materialize", "job", "jobs", "load_log"]
LENGTH_BYTES = 4
MOST_BYTES = 1 << 30


class Call(msgspec.Struct, array_like=True, frozen=True):
    """A question.

    Attributes:
        kind: which.
        body: the request's body, or a job's id.
        request_id: for the log.
    """

    kind: Kind
    body: bytes
    request_id: str


class SyncAsked(msgspec.Struct, frozen=True):
    """A sync, as a worker has checked it: names that the registry knows, and times.

    Attributes:
        views: references; none for all that are online.
        start, end: ISO 8601, UTC.
        full: whether everything is read.
    """

    views: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    full: bool = False


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The answer: HTTP's status, JSON, headers."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def helper_socket(state_dir: Path) -> Path:
    """Where the helper is asked."""
    return state_dir / "helper"


def framed(message: Call | Reply) -> bytes:
    """Write a message with its length."""
    packed = msgspec.msgpack.encode(message)
    return len(packed).to_bytes(LENGTH_BYTES, "big") + packed


async def ask_helper(state_dir: Path, call: Call, *, timeout_s: float) -> Answer:
    """Ask the helper; it is started if nobody has asked before.

    Raises:
        RefusedError: 503, it does not answer. What was asked may have been done: pushes and syncs may be repeated.
    """
    try:
        return await asyncio.wait_for(_ask(state_dir, call), timeout_s)
    except (OSError, EOFError, TimeoutError, asyncio.TimeoutError) as problem:
        raise RefusedError(
            503, "the server's helper process does not answer", hint="ask again", headers=((b"retry-after", b"1"),)
        ) from problem


async def _ask(state_dir: Path, call: Call) -> Answer:
    reader, writer = await asyncio.open_unix_connection(str(helper_socket(state_dir)))
    try:
        writer.write(framed(call))
        await writer.drain()
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        reply = msgspec.msgpack.decode(await reader.readexactly(length), type=Reply)
    finally:
        writer.close()
    return Answer(reply.status, reply.body, reply.headers)
