"""Open the online store in Postgres, whose driver is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.online.postgres.address import parse_postgres_uri

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.online.protocol import OnlineStore


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:  # noqa: ARG001 -- no path is relative
    """Open the store at ``postgresql://`` or ``postgres://``; connects on first use.

    Raises:
        UsageError: a URI that cannot be read, where a password is never repeated; or the driver is not installed.
    """
    address = parse_postgres_uri(uri)
    try:
        from featurestore.online.postgres.store import PostgresStore
    except ImportError as error:
        raise UsageError(
            "an online store in Postgres needs a driver that is not installed",
            hint="pip install 'featurestore[postgres-online]'",
        ) from error
    return PostgresStore(address, project=project)
