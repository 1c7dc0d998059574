"""Postgres: opened from a dbt-postgres target, with the driver of the extra `postgres`.

The session reads times as UTC, finds names in the target's schema first, and leaves the role's limits as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.warehouse.postgres.errors import not_opened
from featurestore.warehouse.postgres.names import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.warehouse.postgres.warehouse import PostgresWarehouse

_CONNECT_TIMEOUT_S = 10
# dbt's key -> libpq's. An empty value is left to libpq, which knows PGPASSWORD and .pgpass.
_OPTIONS = {
    "host": "host",
    "port": "port",
    "user": "user",
    "dbname": "dbname",
    "database": "dbname",
    "pass": "password",
    "password": "password",
    "sslmode": "sslmode",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslrootcert": "sslrootcert",
    "keepalives_idle": "keepalives_idle",
    "connect_timeout": "connect_timeout",
    "application_name": "application_name",
}
_FILES = ("sslcert", "sslkey", "sslrootcert")
_SYSTEM_CERTIFICATES = "system"


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,
    read_only: bool = True,  # noqa: ARG001  a transaction that only reads may not even make a temporary table
) -> PostgresWarehouse:
    """Connect to the database of a dbt-postgres target.

    Args:
        settings: the target's block of `profiles.yml`: host, port, user, password, dbname, schema, sslmode, role, ...
        base_dir: folder that relative paths of certificates start from (the dbt project).
        read_only: changes nothing: what may be written is the server's to say, by the rights of the role.

    Raises:
        WarehouseError: the server is away, or does not let this user in.
        UsageError: the driver is not installed.
    """
    try:
        import adbc_driver_postgresql.dbapi as adbc

        from featurestore.warehouse.postgres.warehouse import PostgresWarehouse
    except ImportError as error:
        raise UsageError(
            "Postgres needs a driver that is not installed",
            hint="pip install 'featurestore[postgres]', on Python 3.11 or later",
        ) from error
    options = _options(settings, base_dir)
    place = f"{options.get('host', 'localhost')}:{options.get('port', 5432)}/{options.get('dbname', '')}"
    try:
        connection = adbc.connect(
            " ".join(f"{key}={_conninfo(value)}" for key, value in options.items()), autocommit=True
        )
    except adbc.Error as error:
        raise not_opened(error, place, options.get("password", "")) from None
    warehouse = PostgresWarehouse(connection)
    try:
        warehouse.begin_session(role=_text(settings, "role"), search_path=_search_path(settings))
    except BaseException:
        warehouse.close()
        raise
    return warehouse


def _options(settings: Mapping[str, object], base_dir: Path) -> dict[str, str]:
    """What libpq is told."""
    given = {ours: settings[key] for key, ours in _OPTIONS.items() if settings.get(key) not in (None, "")}
    options = {key: str(value) for key, value in given.items()}
    for key in _FILES:
        if key in options and options[key] != _SYSTEM_CERTIFICATES:
            options[key] = str(base_dir / Path(options[key]).expanduser())
    return {"connect_timeout": str(_CONNECT_TIMEOUT_S), "fallback_application_name": "featurestore", **options}


def _search_path(settings: Mapping[str, object]) -> str | None:
    """Where a bare name is looked for: as the target says, else in its schema."""
    schema = _text(settings, "schema")
    return _text(settings, "search_path") or (f"{quoted(schema)}, public" if schema else None)


def _text(settings: Mapping[str, object], key: str) -> str | None:
    value = settings.get(key)
    return None if value in (None, "") else str(value)


def _conninfo(value: str) -> str:
    """A value in libpq's own quoting."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
