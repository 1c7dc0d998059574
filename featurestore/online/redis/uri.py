"""Read the URI of a Redis or Valkey store; every setting has a name, a unit and a default, and no password escapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from featurestore.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from urllib.parse import SplitResult

Kind = Literal["standalone", "sentinel", "cluster"]

_FORMS = (
    "write redis://[user:password@]host:port/db, rediss://..., unix:///path?db=0, "
    "redis+sentinel://host:port,.../master/db or redis+cluster://host:port,...; escape / # ? @ in a password"
)
_PLACE = "the URI of a Redis online store"
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_SECONDS = ("connect_timeout", "read_timeout", "write_timeout", "breaker_pause")
_COUNTS = ("max_connections", "max_requests", "breaker_failures")
_SENTINEL = ("sentinel_username", "sentinel_password")
_DEFAULTS = {
    "connect_timeout": "0.1",
    "read_timeout": "0.05",
    "write_timeout": "5",
    "breaker_pause": "1",
    "max_connections": "50",
    "max_requests": "1000",
    "breaker_failures": "5",
}
_FAILOVER_WRITE_TIMEOUT = "30"
_WORDS = {
    "ssl_cert_reqs": ("required", "optional", "none"),
    "ssl_check_hostname": ("true", "false"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one server listens: a host and a port, or a socket's path."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def name(self) -> str:
        """Return ``host:port`` or the path, as errors name it."""
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are; never shown.

    Attributes:
        username: None is the server's default user.
        password: None when the server asks for none.
    """

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to encrypt: files as paths, None where the system's or none; see the URI's ``ssl_`` options."""

    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    cert_reqs: str = "required"
    is_hostname_checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, and for how many at once.

    Attributes:
        connect_timeout_s: for a new connection, login included; also for a free place among `max_connections`.
        read_timeout_s: how long a lookup may take to be answered; one that is not is sent once more.
        write_timeout_s: how long writes, notes and leases may go without any progress.
        max_connections: per server, for lookups, and as many for the rest.
        max_requests: lookups that one event loop may have under way per server.
        breaker_failures: after so many failed lookups in a row the next ones fail at once; 0 is never.
        breaker_pause_s: for so long; then one lookup tries.
    """

    connect_timeout_s: float
    read_timeout_s: float
    write_timeout_s: float
    max_connections: int
    max_requests: int
    breaker_failures: int
    breaker_pause_s: float

    @property
    def lookup_s(self) -> float:
        """Return how long a lookup takes at most: an answer that does not come, a new connection, a second try."""
        return self.connect_timeout_s + 2 * self.read_timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a store is, and how to talk to it.

    Attributes:
        kind: one server, one that Sentinels name, or a Cluster.
        place: how errors name it, e.g. ``host:port``.
        endpoints: of the server, of the Sentinels, or of some of the Cluster's nodes.
        master: the name by which the Sentinels know it; empty elsewhere.
        db: number of the database.
        login, sentinel_login: for the servers and the Sentinels.
        tls: None when the connection is not encrypted.
        limits: times and counts.
    """

    kind: Kind
    place: str
    endpoints: tuple[Endpoint, ...]
    master: str = ""
    db: int = 0
    login: Login = field(default_factory=Login, repr=False)
    sentinel_login: Login = field(default_factory=Login, repr=False)
    tls: Tls | None = None
    limits: Limits

    def without_secrets(self, text: str) -> str:
        """Blot out our passwords, should a server repeat one."""
        for login in (self.login, self.sentinel_login):
            if login.password:
                text = text.replace(login.password, "***")
        return text


def parse_redis_uri(uri: str, *, base_dir: Path) -> RedisAddress:
    """Read a store's URI.

    Args:
        uri: ``redis://``, ``rediss://``, ``unix://``, and with ``+sentinel`` or ``+cluster``. Options after ``?``:
            ``db``, ``connect_timeout read_timeout write_timeout breaker_pause`` (seconds), ``max_connections
            max_requests breaker_failures``, for ``rediss`` ``ssl_ca_certs ssl_certfile ssl_keyfile ssl_cert_reqs
            ssl_check_hostname``, for Sentinel ``sentinel_username sentinel_password``.
        base_dir: what a relative socket path is relative to.

    Raises:
        UsageError: the URI or an option cannot be read.
    """
    parts = _split(uri)
    scheme, _, kind_name = parts.scheme.partition("+")
    kind: Kind = "sentinel" if kind_name == "sentinel" else "cluster" if kind_name == "cluster" else "standalone"
    options = _options(parts, kind)
    endpoints = _endpoints(parts, kind, base_dir)
    path = "" if scheme == "unix" else parts.path.strip("/")
    master, _, db_text = path.partition("/") if kind == "sentinel" else ("", "", path)
    if kind == "sentinel" and not master:
        raise UsageError("the online store's URI does not name the master that the Sentinels know", hint=_FORMS)
    db = _whole_number("db", options.get("db") or db_text or "0")
    if kind == "cluster" and db:
        raise UsageError(f"a Redis Cluster has only database 0, the online store's URI names {db}", hint=_FORMS)
    place = ",".join(endpoint.name for endpoint in endpoints)
    return RedisAddress(
        kind=kind,
        place=f"{place}/{master}" if master else place,
        endpoints=endpoints,
        master=unquote(master),
        db=db,
        login=_login(parts),
        sentinel_login=Login(username=options.get("sentinel_username"), password=options.get("sentinel_password")),
        tls=_tls(options) if scheme == "rediss" else None,
        limits=_limits(options, kind),
    )


def _split(uri: str) -> SplitResult:
    """Cut the URI; a stray @ may follow half a password, which no error repeats."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise UsageError("cannot read the online store's URI", hint=_FORMS) from None
    after_host = parts.query if parts.scheme == "unix" else f"{parts.path}{parts.query}"
    if parts.fragment or "@" in after_host:
        raise UsageError("cannot read the online store's URI", hint=_FORMS)
    return parts


def _options(parts: SplitResult, kind: Kind) -> dict[str, str]:
    known = ("db", *_SECONDS, *_COUNTS, *_TLS, *(_SENTINEL if kind == "sentinel" else ()))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, text in options.items():
        if name not in known:
            raise unknown_name("option", name, known, place=_PLACE)
        if name in _WORDS and text not in _WORDS[name]:
            raise _unreadable(name, f"expected {', '.join(_WORDS[name])}, got {text!r}")
    return options


def _endpoints(parts: SplitResult, kind: Kind, base_dir: Path) -> tuple[Endpoint, ...]:
    if parts.scheme == "unix":
        return (Endpoint(path=str(base_dir / unquote(parts.path))),)
    default_port = 26379 if kind == "sentinel" else 6379
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if kind == "standalone" and len(hosts) > 1:
        raise UsageError("the online store's URI names several hosts of one server", hint=_FORMS)
    return tuple(_endpoint(text, default_port) for text in hosts)


def _endpoint(text: str, default_port: int) -> Endpoint:
    """Read ``host``, ``host:port`` or ``[address]:port``; what cannot be read may be a part of a password."""
    host, _, port = text.rpartition(":") if text.rfind(":") > text.rfind("]") else (text, "", "")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UsageError("cannot read the online store's URI", hint=_FORMS)
    return Endpoint(host=unquote(host).strip("[]") or "localhost", port=int(port) if port else default_port)


def _login(parts: SplitResult) -> Login:
    username, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Login(username=unquote(username) or None, password=unquote(password) or None)


def _tls(options: Mapping[str, str]) -> Tls:
    return Tls(
        ca_certs=options.get("ssl_ca_certs"),
        certfile=options.get("ssl_certfile"),
        keyfile=options.get("ssl_keyfile"),
        cert_reqs=options.get("ssl_cert_reqs", "required"),
        is_hostname_checked=options.get("ssl_check_hostname", "true") == "true",
    )


def _limits(options: Mapping[str, str], kind: Kind) -> Limits:
    texts = {**_DEFAULTS, **options}
    if kind != "standalone" and "write_timeout" not in options:
        texts["write_timeout"] = _FAILOVER_WRITE_TIMEOUT
    return Limits(
        connect_timeout_s=_seconds("connect_timeout", texts),
        read_timeout_s=_seconds("read_timeout", texts),
        write_timeout_s=_seconds("write_timeout", texts),
        max_connections=_at_least_one("max_connections", texts),
        max_requests=_at_least_one("max_requests", texts),
        breaker_failures=_whole_number("breaker_failures", texts["breaker_failures"]),
        breaker_pause_s=_seconds("breaker_pause", texts),
    )


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _unreadable(name, f"expected a whole number, got {text!r}")
    return int(text)


def _at_least_one(name: str, texts: Mapping[str, str]) -> int:
    number = _whole_number(name, texts[name])
    if number == 0:
        raise _unreadable(name, "expected at least 1, got 0")
    return number


def _seconds(name: str, texts: Mapping[str, str]) -> float:
    try:
        seconds = float(texts[name])
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:
        raise _unreadable(name, f"expected seconds such as {_DEFAULTS[name]}, got {texts[name]!r}")
    return seconds


def _unreadable(name: str, what: str) -> UsageError:
    return UsageError(what, where=f"{name} in the URI of the online store", hint=_FORMS)
