"""The lookup client of a feature server: the interface of `OnlineClient`, over HTTP.

Values come back in the types that their views declare; the answer's statuses and event times are the server's.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.serving.client import StoreStatus, checked_on_error
from featurestore.serving.remote_wire import ask, failure, response_without, run, run_async, talk

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType
    from typing import NoReturn

    from typing_extensions import Self  # only for type checkers

    from featurestore.definitions.references import Reference
    from featurestore.serving.entities import EntityRows
    from featurestore.serving.lookup import OnError
    from featurestore.serving.remote_wire import Asked, Metadata, Question, Reply
    from featurestore.serving.response import OnlineResponse

API_KEY = "FEATURESTORE_API_KEY"
"""The environment variable that may hold the key."""
_PATH = "/get-online-features"

_TIMEOUT_S = 2.0
_LONGEST_TIMEOUT_S = 86_400
_KEPT = 256
_VISIBLE = re.compile(r"[!-~]+")


class RemoteClient:
    """Answers lookups by asking a feature server. Also a context manager, with and without ``async``.

    One client may be shared by threads and by tasks of several event loops; its connections are kept.

    Args:
        url: ``http://host:6566``, ``https://...``, or ``unix:PATH`` for a Unix socket.
        api_key: sent as ``Authorization: Bearer KEY``; else FEATURESTORE_API_KEY; space around it is cut off.
        timeout_s: seconds for one lookup: connecting, asking again and the whole answer included. Only how long the
            server's name is looked up is the system's to say, where nothing is awaited.
        on_error: what a failing server or store does to a lookup: ``raise``, or ``null`` for an incomplete answer.
        certificate_authority: a file of certificates to believe, in place of the system's.

    Raises:
        UsageError: a URL of another kind, a key that no header can hold, no such certificates, a `timeout_s` of 0 or
            less, or httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        on_error: OnError = "raise",
        certificate_authority: str | os.PathLike[str] | None = None,
    ) -> None:
        try:
            from featurestore.serving.remote_http import Connections
        except ModuleNotFoundError as missing:
            raise UsageError("RemoteClient needs httpx", hint="pip install 'featurestore[server]'") from missing
        base, socket = _place(url)
        key = _checked_key(api_key or os.environ.get(API_KEY) or "")
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        trusted = None if certificate_authority is None else _trusted(certificate_authority)
        self._timeout_s = _checked_timeout(timeout_s)
        self._on_error = checked_on_error(on_error)
        self._connections = Connections(base, socket, headers, trusted)
        self._known: dict[Question, Metadata] = {}

    def get_online_features(
        self,
        features: Sequence[str | Reference] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
        on_error: OnError | None = None,
    ) -> OnlineResponse:
        """Look up features of entities; arguments and result as `OnlineClient.get_online_features`.

        Raises:
            UsageError: what the server refuses: unknown names, join keys, a key without the right.
            OnlineStoreError: the server or its store cannot be reached; with `on_error` ``null`` the answer has null
                values with status NOT_FOUND instead, where an earlier answer has told the names.
        """
        asked = ask(features, feature_service, entity_rows, full_feature_names=full_feature_names)
        chosen = self._on_error if on_error is None else checked_on_error(on_error)
        try:
            return self._learned(asked, run(talk(asked), self._poster()))
        except OnlineStoreError as problem:
            return self._without(asked, problem, chosen)

    async def get_online_features_async(
        self,
        features: Sequence[str | Reference] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
        on_error: OnError | None = None,
    ) -> OnlineResponse:
        """Do what `get_online_features` does, without blocking the event loop."""
        asked = ask(features, feature_service, entity_rows, full_feature_names=full_feature_names)
        chosen = self._on_error if on_error is None else checked_on_error(on_error)
        try:
            return self._learned(asked, await run_async(talk(asked), self._aposter()))
        except OnlineStoreError as problem:
            return self._without(asked, problem, chosen)

    def status(self) -> StoreStatus:
        """Say whether lookups can be answered, and if not, why."""
        try:
            reply = self._connections.send("GET", "/ready", None, time.monotonic() + self._timeout_s)
        except OnlineStoreError as problem:
            return StoreStatus(is_ready=False, reason=str(problem))
        try:
            return msgspec.json.decode(reply.body, type=StoreStatus)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return StoreStatus(is_ready=False, reason=str(failure(reply)))

    def is_ready(self) -> bool:
        """Say whether lookups can be answered."""
        return self.status().is_ready

    def close(self) -> None:
        """Close the connections; the next lookup opens others. Those of an event loop are closed by `aclose` there."""
        self._connections.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop, and the others."""
        await self._connections.aclose()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: connections do not travel, and a key is a secret."""
        raise UsageError("a client cannot be pickled", hint="make one in each process: RemoteClient(url)")

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections of this event loop."""
        await self.aclose()

    def _poster(self) -> Callable[[bytes], Reply]:
        """What sends the requests of one lookup, all within its time."""
        until = time.monotonic() + self._timeout_s
        return lambda body: self._connections.send("POST", _PATH, body, until)

    def _aposter(self) -> Callable[[bytes], Awaitable[Reply]]:
        until = time.monotonic() + self._timeout_s
        return lambda body: self._connections.asend("POST", _PATH, body, until)

    def _learned(self, asked: Asked, found: tuple[Metadata, OnlineResponse]) -> OnlineResponse:
        """Keep what the columns are, for when the server is away."""
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[asked.question], response = found
        return response

    def _without(self, asked: Asked, problem: OnlineStoreError, on_error: OnError) -> OnlineResponse:
        """Answer without the server, where that is wanted and the names are known."""
        known = self._known.get(asked.question)
        if on_error == "raise" or known is None:
            raise problem
        return response_without(asked, known, str(problem))


def _place(url: str) -> tuple[str, str | None]:
    """Read a URL: its base, and the path of a Unix socket. An error repeats none: there may be a password in it."""
    if url.startswith("unix:"):
        return "http://localhost", url.removeprefix("unix:").removeprefix("//")
    try:
        parts = urlsplit(url)
        is_readable = bool(parts.hostname) and parts.port != 0 and _VISIBLE.fullmatch(url) is not None
    except ValueError:  # an open bracket, a port that is none
        raise _no_url() from None
    if not is_readable or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise _no_url()
    if "@" in parts.netloc:
        raise UsageError(
            "the URL of a feature server has no user and no password", hint='RemoteClient(url, api_key="fsk_...")'
        )
    return url.rstrip("/"), None


def _no_url() -> UsageError:
    return UsageError(
        "expected the URL of a feature server: http://HOST:PORT, https://HOST:PORT or unix:PATH",
        where="url",
        hint='e.g. "http://127.0.0.1:6566"',
    )


def _checked_key(key: str) -> str:
    """Take a key as a file holds it. An error does not repeat it."""
    stripped = key.strip()
    if key and _VISIBLE.fullmatch(stripped) is None:
        raise UsageError(
            "expected an API key of visible ASCII characters, got others",
            where=f"api_key or {API_KEY}",
            hint="pass it as featurestore server-key printed it",
        )
    return stripped


def _checked_timeout(timeout_s: float) -> float:
    if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        raise UsageError(
            f"expected seconds, more than 0 and at most {_LONGEST_TIMEOUT_S:,}, got {timeout_s!r}", where="timeout_s"
        )
    return timeout_s


def _trusted(certificate_authority: str | os.PathLike[str]) -> ssl.SSLContext:
    import ssl

    path = os.fspath(certificate_authority)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as problem:  # ssl.SSLError is one
        raise UsageError(
            f"cannot read certificates in {path}: {problem}",
            where="certificate_authority",
            hint="expected a file of certificates, PEM",
        ) from problem
