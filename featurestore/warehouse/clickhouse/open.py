"""Open a session for a dbt-clickhouse target.

Three settings make its SQL mean what the rules say: ``join_use_nulls`` (no match is NULL, not zero),
``session_timezone = UTC``, and ``insert_null_as_default = 0``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from featurestore.errors import UsageError
from featurestore.warehouse.clickhouse.warehouse import ClickHouseWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from featurestore.warehouse.clickhouse.client import Client

_INSTALL = "pip install 'featurestore[clickhouse]'"
_SESSION_TIMEOUT_S = 3600  # the longest a server allows by default: temporary tables live as long as a session does
_QUERY_TIMEOUT_S = 24 * 3600
SETTINGS: dict[str, str] = {
    "join_use_nulls": "1",
    "session_timezone": "UTC",
    "insert_null_as_default": "0",
    "session_timeout": str(_SESSION_TIMEOUT_S),
}


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,  # noqa: ARG001  every warehouse is opened with it; only files start from a folder
    read_only: bool = True,  # noqa: ARG001  what a user may do is the server's matter
) -> ClickHouseWarehouse:
    """Open the database of a dbt-clickhouse target.

    Args:
        settings: the target's block of `profiles.yml`: host, port, user, password, schema, secure, verify,
            client_cert, client_cert_key, connect_timeout, send_receive_timeout, custom_settings. A target with
            ``driver: native`` is reached at the standard HTTP port instead of its own, since Arrow goes over HTTP.
        base_dir: not used.
        read_only: not used.

    Raises:
        UsageError: clickhouse-connect is not installed.
        WarehouseError: the server cannot be reached, or refuses the user or the database.
    """
    try:
        import clickhouse_connect
    except ImportError as error:
        raise UsageError("the ClickHouse client is not installed", hint=_INSTALL) from error

    is_secure = bool(settings.get("secure", False))
    port = settings.get("port") if settings.get("driver") != "native" else None
    host = str(settings.get("host") or "localhost")
    custom = settings.get("custom_settings")
    own = {str(key): str(value) for key, value in custom.items()} if isinstance(custom, dict) else {}

    def connect() -> Client:
        made = clickhouse_connect.get_client(
            host=host,
            port=_number(port, 8443 if is_secure else 8123),
            username=_text(settings.get("user")) or "default",
            password=_text(settings.get("password")) or "",
            database=_text(settings.get("schema") or settings.get("database")),
            secure=is_secure,
            verify=bool(settings.get("verify", True)),
            client_cert=_text(settings.get("client_cert")),
            client_cert_key=_text(settings.get("client_cert_key")),
            connect_timeout=_number(settings.get("connect_timeout"), 10),
            send_receive_timeout=_number(settings.get("send_receive_timeout"), _QUERY_TIMEOUT_S),
            query_retries=0,  # an insert that is sent again could double the examples
            settings={**own, **SETTINGS},
        )
        return cast("Client", made)

    return ClickHouseWarehouse(connect, place=f"{host}:{_number(port, 8443 if is_secure else 8123)}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object, otherwise: int) -> int:
    return otherwise if value is None else int(str(value))
