"""The connections of `RemoteClient`, and one time limit for all that it sends for a lookup.

The rule: httpcore limits each step by itself, so that a server may take for ever in small steps. Here the limit of each
step is the moment at which all must have ended: steps get what is left until then.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any

import httpcore

from featurestore.errors import OnlineStoreError
from featurestore.serving.remote_wire import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PIECE_BYTES = 65_536
_CONNECTIONS = 100
_KEPT_CONNECTIONS = 20
_KEPT_S = 5.0
_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError)


class Connections:
    """Connections to one server, kept between requests: for threads, and for each event loop that asks.

    A forked child makes its own.

    Args:
        base: URL that paths come behind.
        path: of a Unix socket, in place of the URL's host.
        headers: of each request.
        trusted: certificates to believe; None for the system's.
    """

    def __init__(self, base: str, path: str | None, headers: Mapping[str, str], trusted: ssl.SSLContext | None) -> None:
        self._base = base
        self._path = path
        self._headers = list(headers.items())
        is_tls = base.startswith("https:")
        self._trusted = trusted or (httpcore.default_ssl_context() if is_tls else None)
        self._process = os.getpid()
        self._blocking: httpcore.ConnectionPool | None = None
        self._waiting: dict[asyncio.AbstractEventLoop, httpcore.AsyncConnectionPool] = {}

    def send(self, method: str, path: str, body: bytes | None, until: float) -> Reply:
        """Send a request, and wait for the answer until a moment of `time.monotonic`.

        It is sent once more when the server closed a kept connection just then: what is sent here may be repeated.

        Raises:
            OnlineStoreError: no answer, or none in time.
        """
        try:
            try:
                return self._once(method, path, body, until)
            except httpcore.RemoteProtocolError:
                return self._once(method, path, body, until)
        except httpcore.TimeoutException as problem:
            raise self._late() from problem
        except _FAILURES as problem:
            raise self._unreachable(problem) from problem

    async def asend(self, method: str, path: str, body: bytes | None, until: float) -> Reply:
        """Do what `send` does, without blocking the event loop."""
        try:
            try:
                return await self._aonce(method, path, body, until)
            except httpcore.RemoteProtocolError:
                return await self._aonce(method, path, body, until)
        except (httpcore.TimeoutException, asyncio.TimeoutError) as problem:
            raise self._late() from problem
        except _FAILURES as problem:
            raise self._unreachable(problem) from problem

    def close(self) -> None:
        """Close those of threads."""
        pool, self._blocking = self._blocking, None
        if pool is not None:
            pool.close()

    async def aclose(self) -> None:
        """Close those of this event loop, and those of threads."""
        self.close()
        pool = self._waiting.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.aclose()

    def _leave_inherited(self) -> None:
        """Forget the connections of the process that this one was forked from: two that use one read each other's."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._blocking, self._waiting = None, {}

    def _once(self, method: str, path: str, body: bytes | None, until: float) -> Reply:
        self._leave_inherited()
        if self._blocking is None:
            self._blocking = httpcore.ConnectionPool(
                ssl_context=self._trusted,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_KEPT_CONNECTIONS,
                keepalive_expiry=_KEPT_S,
                uds=self._path,
                network_backend=_Backend(),
            )
        limits = {"pool": _left(until, httpcore.PoolTimeout), "connect": until, "write": until, "read": until}
        response = self._blocking.request(
            method, self._base + path, headers=self._headers, content=body, extensions={"timeout": limits}
        )
        return Reply(response.status, response.content)

    async def _aonce(self, method: str, path: str, body: bytes | None, until: float) -> Reply:
        self._leave_inherited()
        loop = asyncio.get_running_loop()
        pool = self._waiting.get(loop)
        if pool is None:
            self._waiting = {other: kept for other, kept in self._waiting.items() if not other.is_closed()}
            pool = self._waiting[loop] = httpcore.AsyncConnectionPool(
                ssl_context=self._trusted,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_KEPT_CONNECTIONS,
                keepalive_expiry=_KEPT_S,
                uds=self._path,
            )
        left = _left(until, httpcore.PoolTimeout)
        response = await asyncio.wait_for(
            pool.request(method, self._base + path, headers=self._headers, content=body), left
        )
        return Reply(response.status, response.content)

    @property
    def _place(self) -> str:
        return f"unix:{self._path}" if self._path else self._base

    def _late(self) -> OnlineStoreError:
        return OnlineStoreError(
            f"the feature server at {self._place} did not answer in time", hint="raise timeout_s if it may take longer"
        )

    def _unreachable(self, problem: Exception) -> OnlineStoreError:
        said = str(problem) or type(problem).__name__
        cause = problem.__cause__ or problem.__context__  # httpcore's pool raises `from None`
        hint = None
        if _is_refused(cause):
            hint = "start it: featurestore serve"
        elif isinstance(cause, ssl.SSLCertVerificationError):
            hint = 'name the certificates to believe: certificate_authority="ca.pem"'
        elif isinstance(problem, httpcore.ProtocolError) or isinstance(cause, ssl.SSLError):
            hint = "is the URL right: its port, and http or https?"
        return OnlineStoreError(f"the feature server at {self._place} cannot be reached: {said}", hint=hint)


class _Backend(httpcore.NetworkBackend):
    """Connects by moments; a name's addresses share what is left. How long a name is looked up, the system decides."""

    def __init__(self) -> None:
        self._by_seconds = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            raise httpcore.ConnectError(str(problem)) from problem
        failed = httpcore.ConnectError(f"{host} has no address")
        for *_, place in places:
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._by_seconds.connect_tcp(str(place[0]), port, left, local_address, socket_options)
            except httpcore.ConnectError as problem:
                failed = problem
            else:
                return _Stream(stream)
        raise failed

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._by_seconds.connect_unix_socket(path, left, socket_options))


class _Stream(httpcore.NetworkStream):
    """Reads and writes by moments."""

    def __init__(self, by_seconds: httpcore.NetworkStream) -> None:
        self._by_seconds = by_seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._by_seconds.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._by_seconds.write(buffer[start : start + _PIECE_BYTES], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._by_seconds.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._by_seconds.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  as httpcore says it
        return self._by_seconds.get_extra_info(info)


def _left(until: float | None, late: type[httpcore.TimeoutException]) -> float:
    """Seconds until a moment; raises `late` when it has passed."""
    assert until is not None
    left = until - time.monotonic()
    if left <= 0:
        raise late
    return left


def _is_refused(problem: BaseException | None) -> bool:
    """Whether nobody listened there."""
    while problem is not None:
        if isinstance(problem, (ConnectionRefusedError, FileNotFoundError)):
            return True
        if sys.version_info >= (3, 11) and isinstance(problem, BaseExceptionGroup):  # noqa: F821
            return any(map(_is_refused, problem.exceptions))
        problem = problem.__cause__
    return False
