"""Read the URI of a Redis or Valkey server; every setting has a name, a unit and a default, and no password escapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from featurestore.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

_FORMS = "write redis://[user:password@]host:port/db, rediss://..., or unix:///path?db=0; escape / # ? @ in a password"
_SECONDS = {"connect_timeout": 0.1, "read_timeout": 0.05, "write_timeout": 5.0}
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_OPTIONS = ("db", "max_connections", *_SECONDS, *_TLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a server is and how long to wait for it.

    Attributes:
        place: how errors name it: ``host:port`` or the socket's path.
        has_tls: whether the connection is encrypted.
        settings: host, port or path, db, user, password, certificates, as the client takes them; never shown.
        connect_timeout_s, read_timeout_s: for lookups.
        write_timeout_s: how long a batch of writes may take to be answered.
        max_connections: per client; who finds none free waits for `connect_timeout_s`.
    """

    place: str
    has_tls: bool
    settings: dict[str, str | int] = field(repr=False)
    connect_timeout_s: float
    read_timeout_s: float
    write_timeout_s: float
    max_connections: int


def parse_redis_uri(uri: str, *, base_dir: Path) -> RedisAddress:
    """Read ``redis://``, ``rediss://`` and ``unix://`` URIs.

    Args:
        uri: options after ``?``: ``db``, ``connect_timeout``, ``read_timeout``, ``write_timeout`` (seconds),
            ``max_connections``, and for ``rediss`` ``ssl_ca_certs ssl_certfile ssl_keyfile ssl_cert_reqs``.
        base_dir: what a relative socket path is relative to.

    Raises:
        UsageError: the URI or an option cannot be read.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise UsageError("cannot read the online store's URI", hint=_FORMS) from None
    options = _options(parts)
    settings: dict[str, str | int] = {"db": _whole_number("db", options.get("db") or _db_of_path(parts))}
    if parts.username:
        settings["username"] = unquote(parts.username)
    if parts.password:
        settings["password"] = unquote(parts.password)
    settings.update({name: options[name] for name in _TLS if name in options})
    if parts.scheme == "unix":
        place = str(base_dir / unquote(parts.path))
        settings["path"] = place
    else:
        host = parts.hostname or "localhost"
        settings.update(host=host, port=port or 6379)
        place = f"{host}:{port or 6379}"
    return RedisAddress(
        place=place,
        has_tls=parts.scheme == "rediss",
        settings=settings,
        connect_timeout_s=_seconds("connect_timeout", options),
        read_timeout_s=_seconds("read_timeout", options),
        write_timeout_s=_seconds("write_timeout", options),
        max_connections=_whole_number("max_connections", options.get("max_connections", "50")),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, place="the URI of a Redis online store")
    return options


def _db_of_path(parts: SplitResult) -> str:
    return "0" if parts.scheme == "unix" else parts.path.strip("/") or "0"


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(
            f"expected a whole number, got {text!r}", where=f"{name} in the URI of the online store", hint=_FORMS
        )
    return int(text)


def _seconds(name: str, options: dict[str, str]) -> float:
    text = options.get(name)
    try:
        seconds = _SECONDS[name] if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:
        raise UsageError(f"expected seconds such as 0.05, got {text!r}", where=f"{name} in the URI of the online store")
    return seconds
