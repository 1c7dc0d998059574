"""A small client of the Confluent schema registry's HTTP API: schemas by their numbers, with all that they refer to.

Shape of a framed body: a zero byte, the schema's number in four bytes, the event.
The rule: a number means one schema for ever, so each is asked for once; a registry that does not know a number costs
that message alone, one that cannot be asked stops the stream (StreamError), so that nothing is lost.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from featurestore.errors import StreamError, UsageError, did_you_mean
from featurestore.streams.messages import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.client import HTTPMessage, HTTPResponse
    from pathlib import Path
    from typing import IO

    from featurestore.streams.messages import Value

URL, BASIC, BEARER, CA = "url", "basic.auth.user.info", "bearer.auth.token", "ssl.ca.location"
OPTIONS = (URL, BASIC, BEARER, CA)
TIMEOUT_S = 5.0
"""To connect, and to wait for more of an answer; a whole answer may take `_TIMES_IN_ALL` as long."""
MAGIC = 0
HEAD_BYTES = 5
_TIMES_IN_ALL = 3
_MOST_BYTES = 16 << 20
_UNKNOWN_FOR_S = 10.0
_MOST_UNKNOWN = 10_000
_NO_SUCH_SCHEMA = frozenset((40401, 40402, 40403))
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """A schema as the registry keeps it.

    Attributes:
        kind: ``AVRO``, ``PROTOBUF`` or ``JSON``.
        text: the schema.
        references: the texts of all schemas that it refers to, each behind those that it needs itself.
    """

    kind: str
    text: str
    references: tuple[str, ...] = ()


def open_registry(
    options: Sequence[tuple[str, str]], *, stream: str, base_dir: Path, timeout_s: float = TIMEOUT_S
) -> SchemaRegistry:
    """Make the client of a stream's schema registry; nothing is connected to before the first question.

    Args:
        options: ``url``; ``basic.auth.user.info`` (``user:password``) or ``bearer.auth.token``; ``ssl.ca.location``.
        stream: whose settings they are.
        base_dir: what a relative path is relative to.
        timeout_s: see `TIMEOUT_S`.

    Raises:
        UsageError: an option that is unknown, missing or cannot be meant; none repeats a secret.
    """
    where = f"featurestore.yml: streams.{stream}.schema_registry"
    for name, _ in options:
        if name not in OPTIONS:
            raise UsageError(f"unknown option '{name}'", where=where, hint=did_you_mean(name, OPTIONS))
    given = {name: value.strip() for name, value in options}
    handlers: list[urllib.request.BaseHandler] = [_SameOrigin()]
    if CA in given:
        handlers.append(urllib.request.HTTPSHandler(context=_trusting(base_dir / given[CA], where)))
    opener = urllib.request.build_opener(*handlers)
    url = _checked_url(given.get(URL, ""), where)
    return SchemaRegistry(url, opener, authorization=_authorization(given, where), timeout_s=timeout_s)


def unframe(value: Value) -> int | Problem:
    """Return the number of the schema of a framed body; the event begins at `HEAD_BYTES`."""
    if type(value) is not bytes:
        return not_bytes(value)
    if len(value) < HEAD_BYTES or value[0] != MAGIC:
        what = f"expected a zero byte and a schema's number in four, got {value[:HEAD_BYTES].hex(' ') or 'nothing'}"
        return Problem(reason="malformed", detail=f"not written with a schema registry: {what}")
    return int.from_bytes(value[1:HEAD_BYTES], "big")


def not_bytes(value: Value) -> Problem:
    """Say that an entry of a Redis stream does not have the field that holds its event."""
    known = ", ".join(value) if isinstance(value, dict) else ""
    return Problem(
        reason="malformed", detail=f"expected a body, got an entry with the fields {known}; which is it, `field`?"
    )


class SchemaRegistry:
    """Asks one registry; for one thread."""

    def __init__(
        self, url: str, opener: urllib.request.OpenerDirector, *, authorization: str | None, timeout_s: float
    ) -> None:
        self._url = url
        self._opener = opener
        self._authorization = authorization
        self._timeout_s = timeout_s
        self._known: dict[int, RegisteredSchema] = {}
        self._unknown: dict[int, tuple[float, Problem]] = {}

    def schema(self, number: int) -> RegisteredSchema | Problem:
        """Return a schema, or say that the registry does not know it; that is asked again after some seconds.

        Raises:
            StreamError: the registry cannot be reached, or does not answer as one.
        """
        known = self._known.get(number)
        if known is not None:
            return known
        asked_at, problem = self._unknown.get(number, (0.0, None))
        if problem is not None and time.monotonic() - asked_at < _UNKNOWN_FOR_S:
            return problem
        found = self._fetch(number)
        if isinstance(found, RegisteredSchema):
            self._known[number] = found
            return found
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[number] = (time.monotonic(), found)
        return found

    def _fetch(self, number: int) -> RegisteredSchema | Problem:
        answer = self._ask(f"/schemas/ids/{number}")
        if answer is None:
            what = f"the schema registry at {self._url} knows no schema {number}"
            return Problem(reason="malformed", detail=what)
        texts: dict[tuple[str, int], str | None] = {}
        self._collect(answer, texts)
        for (subject, version), text in texts.items():
            if text is None:
                what = f"schema {number} refers to version {version} of '{subject}', which {self._url} does not have"
                return Problem(reason="malformed", detail=what)
        references = tuple(text for text in texts.values() if text is not None)
        return RegisteredSchema(kind=_kind(answer), text=self._text(answer), references=references)

    def _collect(self, answer: dict[str, Any], texts: dict[tuple[str, int], str | None]) -> None:
        """Add what a schema refers to, what is needed first before what needs it."""
        for each in answer.get("references") or ():
            if (
                not isinstance(each, dict)
                or not isinstance(each.get("subject"), str)
                or type(each.get("version")) is not int
            ):
                raise self._refused("it names a reference without subject and version")
            key = (each["subject"], each["version"])
            if key in texts or len(texts) >= _MOST_UNKNOWN:
                continue
            texts[key] = None
            # A version that was deleted softly is still referred to; so Confluent's clients ask in this way too.
            found = self._ask(f"/subjects/{quote(key[0], safe='')}/versions/{key[1]}?deleted=true")
            if found is not None:
                self._collect(found, texts)
                del texts[key]  # to the end, behind its own references
                texts[key] = self._text(found)

    def _text(self, answer: dict[str, Any]) -> str:
        text = answer.get("schema")
        if not isinstance(text, str):
            raise self._refused("its answer has no schema")
        return text

    def _ask(self, path: str) -> dict[str, Any] | None:
        """Ask for a document; None where the registry says that it has no such one."""
        headers = {"Accept": _ACCEPT}
        request = urllib.request.Request(self._url + path, headers=headers)  # noqa: S310  `_checked_url` knows the scheme
        if self._authorization is not None:
            request.add_header("Authorization", self._authorization)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return self._document(self._body(response))
        except urllib.error.HTTPError as error:
            with error:
                if error.code == http.client.NOT_FOUND and self._code(error) in _NO_SUCH_SCHEMA:
                    return None
                raise self._refused(f"it answers {error.code}", _hint(error.code)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise self._refused(str(reason) or type(reason).__name__) from None

    def _body(self, response: HTTPResponse | urllib.error.HTTPError) -> bytes:
        """Read an answer that is neither endless nor endlessly slow."""
        until = time.monotonic() + _TIMES_IN_ALL * self._timeout_s
        parts: list[bytes] = []
        size = 0
        while part := response.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise self._refused(f"its answer is larger than {_MOST_BYTES:,} bytes")
            if time.monotonic() > until:
                raise TimeoutError("its answer takes too long")
        return b"".join(parts)

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self._refused("its answer is no JSON object", "is that URL a schema registry's?")
        return document

    def _code(self, error: urllib.error.HTTPError) -> object:
        """The registry's own number of an error; None where something else answers in its place."""
        try:
            document = msgspec.json.decode(self._body(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return document.get("error_code") if isinstance(document, dict) else None

    def _refused(self, why: str, hint: str = "is it running? events wait until it answers") -> StreamError:
        return StreamError(f"the schema registry at {self._url} cannot be asked: {why}", hint=hint)


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the registry only: another place would get its credentials."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, or None for an error."""
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _checked_url(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        hint = f"write `{URL}: https://HOST:8081`"
        raise UsageError(
            "expected the URL of a schema registry, http:// or https://", where=f"{where}.{URL}", hint=hint
        )
    if "@" in parts.netloc or parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        hint = f"write `{URL}: https://HOST:8081`, and user and password as `{BASIC}: USER:PASSWORD`"
        raise UsageError("expected a URL of host, port and path", where=f"{where}.{URL}", hint=hint)
    return url.rstrip("/")


def _authorization(given: dict[str, str], where: str) -> str | None:
    if BASIC in given and BEARER in given:
        raise UsageError(f"`{BASIC}` and `{BEARER}` are both given", where=where, hint="leave one of them out")
    if BASIC in given:
        if ":" not in given[BASIC]:
            raise UsageError("expected a user, a colon and a password", where=f"{where}.{BASIC}")
        return f"Basic {base64.b64encode(given[BASIC].encode()).decode()}"
    if BEARER not in given:
        return None
    token = given[BEARER]
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("expected a token without spaces", where=f"{where}.{BEARER}")
    return f"Bearer {token}"


def _trusting(file: Path, where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(file))
    except OSError as error:  # of which ssl.SSLError is one
        what = f"cannot read certificates from {file} ({error.strerror or error})"
        raise UsageError(what, where=f"{where}.{CA}") from None


def _kind(answer: dict[str, Any]) -> str:
    return str(answer.get("schemaType") or "AVRO")


def _hint(code: int) -> str:
    if code in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        return f"say who asks: `{BASIC}: USER:PASSWORD`, or `{BEARER}`"
    if code == http.client.NOT_FOUND:
        return "is that URL a schema registry's? some stand behind a path, such as /apis/ccompat/v7"
    if http.client.MULTIPLE_CHOICES <= code < http.client.BAD_REQUEST:
        return "it sends elsewhere; write the URL that it means"
    return "events wait until it answers"
