"""A TCP proxy that breaks what passes through it: in front of a real server, in a thread of the test's process.

Every fault is a field that may be set while connections are open. TLS can end here, for servers that cannot.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

_RST = struct.pack("ii", 1, 0)
_CHUNK = 65_536


@dataclass(kw_only=True)
class Proxy:
    """A running proxy.

    Attributes:
        port: where it listens, on 127.0.0.1.
        target: port of the server.
        latency_s: added to every answer.
        late_from_call: or only to those from that call on (see `calls`).
        is_silent: connections are accepted and questions swallowed; nothing is ever answered.
        cuts_reply_after: bytes of answers, counted from when it was set, after which the connection is closed.
        always_cuts_after: the same of every connection, until it is None again.
        says_instead: what is answered to everything.
        resets: whether the next answer is a reset of the connection instead.
        bytes_per_s: of answers; None is as fast as it goes.
        fails_call: the number of the call (piece of bytes from a client, counted in `calls`) that is refused.
        fails: before the server saw it, or after, when only its answer is lost.
        calls, connections: how many there were.
        resets_seen: how many connections clients have closed with a RST.
    """

    target: int
    port: int = 0
    latency_s: float = 0.0
    late_from_call: int = 0
    is_silent: bool = False
    cuts_reply_after: int | None = None
    always_cuts_after: int | None = None
    says_instead: bytes | None = None
    resets: bool = False
    bytes_per_s: float | None = None
    fails_call: int = 0
    fails: Literal["before", "after"] = "before"
    calls: int = 0
    connections: int = 0
    resets_seen: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    forgotten: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        return f"redis://{self.place}/0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one client says, and what the server answers it."""
        self.connections += 1
        self.writers.add(writer)
        server_writer = None
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
            lost = asyncio.Event()
            ways = [self._ask(reader, writer, server_writer, lost), self._answer(server_reader, writer, lost)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass  # the server is gone, and so is the client's connection
        finally:
            self.writers.discard(writer)
            for each in (writer, server_writer):
                if each is not None:
                    each.close()

    async def _ask(self, reader, writer, server_writer, lost) -> None:
        while data := await self._said(reader):
            self.calls += 1
            is_failing = self.calls == self.fails_call
            if is_failing and self.fails == "before":
                return
            if is_failing:
                lost.set()
            if not self.is_silent and writer not in self.forgotten:
                server_writer.write(data)
                await server_writer.drain()

    async def _said(self, reader) -> bytes:
        try:
            return await reader.read(_CHUNK)
        except ConnectionResetError:
            self.resets_seen += 1
            raise

    async def _answer(self, server_reader, writer, lost) -> None:
        while data := await server_reader.read(_CHUNK):
            data = data if self.says_instead is None else self.says_instead
            if self.latency_s and self.calls >= self.late_from_call:
                await asyncio.sleep(self.latency_s)
            if lost.is_set():
                return
            if self.resets:
                self.resets = False
                reset(writer)
                return
            if self._cuts(data):
                writer.write(data[: self._left(data)])
                await writer.drain()
                return
            if self.is_silent:
                continue
            await self._send(writer, data)

    def _cuts(self, data) -> bool:
        """Whether this piece of an answer is cut; counts down otherwise."""
        if self.always_cuts_after is not None:
            return True
        if self.cuts_reply_after is None:
            return False
        if len(data) > self.cuts_reply_after:
            return True
        self.cuts_reply_after -= len(data)
        return False

    def _left(self, data) -> int:
        if self.always_cuts_after is not None:
            return min(self.always_cuts_after, len(data) - 1)
        left, self.cuts_reply_after = self.cuts_reply_after, None
        return left

    def close_all(self) -> None:
        """Close all connections, as a server does that was idle for too long."""
        for writer in list(self.writers):
            with suppress(OSError):  # its client has closed it just now
                writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def forget_all(self) -> None:
        """Pass nothing on over these connections, as a firewall does that has forgotten them; new ones work."""
        self.forgotten |= self.writers

    async def _send(self, writer, data) -> None:
        pace = self.bytes_per_s
        if pace is None:
            writer.write(data)
            await writer.drain()
            return
        step = max(1, int(pace / 100))
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(step / pace)


def reset(writer) -> None:
    """Close a connection with a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    writer.transport.abort()


@contextmanager
def proxy(target: int, *, tls: ssl.SSLContext | None = None):
    """Run a proxy in front of a port of 127.0.0.1 while the block runs."""
    made = Proxy(target=target)
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def run(stop):
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        for writer in list(made.writers):
            writer.transport.abort()

    async def all_of_it():
        nonlocal stop
        stop = asyncio.Event()
        await run(stop)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # one may begin while the others end
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    stop = None
    thread = threading.Thread(target=lambda: loop.run_until_complete(all_of_it()))
    thread.start()
    assert started.wait(120)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(120)
        loop.close()
