"""Read the URI of an online store in Postgres; what it does not say, libpq takes from its own variables and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from featurestore.errors import UsageError
from featurestore.online.uri_options import read_options

if TYPE_CHECKING:
    from featurestore.online.uri_options import UriOptions

_FORMS = (
    "write postgresql://[user:password@]host:5432/database?schema=features; escape / # ? @ in a password;"
    " ?host=/var/run/postgresql for a socket"
)
_LIBPQ = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile", "service", "target_session_attrs")
_OURS = ("schema", "unlogged", "prepare", "max_connections", "connect_timeout", "read_timeout", "write_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """Where a database is, where in it the rows are, and how long to wait for it.

    Attributes:
        place: how errors name it: ``host:port/database``.
        settings: how libpq connects; never shown.
        schema: of the tables.
        is_unlogged: whether tables that are made are unlogged: faster, and empty after a crash of the server.
        prepares: whether lookups are prepared; a pooler before PgBouncer 1.21 does not know such statements.
        max_connections: of lookups, and as many for the rest; who finds none free waits for `connect_timeout_s`.
        connect_timeout_s, read_timeout_s: for lookups.
        write_timeout_s: how long a batch of writes may take to be answered.
    """

    place: str
    settings: dict[str, str] = field(repr=False)
    schema: str
    is_unlogged: bool
    prepares: bool
    max_connections: int
    connect_timeout_s: float
    read_timeout_s: float
    write_timeout_s: float

    def conninfo(self, *, statement_timeout_s: float) -> bytes:
        """Write what libpq connects by; the server gives up a statement after that time too."""
        settings = {**self.settings, "options": f"-c statement_timeout={max(1, int(statement_timeout_s * 1000))}"}
        return " ".join(f"{name}={_quoted(value)}" for name, value in settings.items()).encode()


def parse_postgres_uri(uri: str) -> PostgresAddress:
    """Read ``postgresql://`` and ``postgres://`` URIs.

    Args:
        uri: options after ``?``: ``schema``, ``unlogged``, ``prepare``, ``max_connections``, ``connect_timeout``,
            ``read_timeout``, ``write_timeout`` (seconds), and libpq's ``host sslmode sslrootcert sslcert sslkey
            passfile service target_session_attrs``.

    Raises:
        UsageError: the URI or an option cannot be read; a password in it is never repeated.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise UsageError("cannot read the online store's URI", hint=_FORMS) from None
    options = read_options(parts.query, (*_OURS, *_LIBPQ), store="Postgres")
    written = {
        "host": unquote(parts.hostname or ""),
        "port": str(port or ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.strip("/")),
    }
    settings = {name: value for name, value in written.items() if value}
    settings.update({name: options.given[name] for name in _LIBPQ if name in options.given})
    settings.setdefault("application_name", "featurestore online")
    return _address(settings, options)


def _address(settings: dict[str, str], options: UriOptions) -> PostgresAddress:
    schema = options.text("schema", "featurestore")
    if not schema or "\0" in schema or len(schema.encode()) > 63:
        raise UsageError(
            f"expected the name of a schema, got {schema!r}", where="schema in the URI of the online store"
        )
    return PostgresAddress(
        place=f"{settings.get('host', 'localhost')}:{settings.get('port', '5432')}/{settings.get('dbname', '')}",
        settings=settings,
        schema=schema,
        is_unlogged=options.flag("unlogged", default=False),
        prepares=options.flag("prepare", default=True),
        max_connections=options.count("max_connections", 10),
        connect_timeout_s=options.seconds("connect_timeout", 0.1),
        read_timeout_s=options.seconds("read_timeout", 0.05),
        write_timeout_s=options.seconds("write_timeout", 10.0),
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
