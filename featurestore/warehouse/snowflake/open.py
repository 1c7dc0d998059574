"""Open a session for a dbt-snowflake target."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from featurestore.errors import UsageError, WarehouseError
from featurestore.warehouse.snowflake.errors import said
from featurestore.warehouse.snowflake.target import connection_options
from featurestore.warehouse.snowflake.warehouse import SnowflakeWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from featurestore.warehouse.snowflake.connector import Connection


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,
    read_only: bool = True,  # noqa: ARG001  what a role may do is Snowflake's matter
) -> SnowflakeWarehouse:
    """Open a session for a dbt-snowflake target.

    Args:
        settings: the target's block of `profiles.yml`; see `target`.
        base_dir: folder that a relative ``private_key_path`` starts from.
        read_only: not used.

    Raises:
        UsageError: the connector is not installed, or the private key cannot be read.
        WarehouseError: the account cannot be reached or refuses the user.
    """
    try:
        import snowflake.connector
    except ImportError as error:
        raise UsageError(
            "the Snowflake connector is not installed", hint="pip install 'featurestore[snowflake]'"
        ) from error
    options = connection_options(settings, base_dir=base_dir)
    try:
        connection = snowflake.connector.connect(**options)
    except snowflake.connector.errors.Error as error:
        raise WarehouseError(
            f"cannot open Snowflake account {settings.get('account')}: {said(error)}",
            hint="check the target in profiles.yml",
        ) from error
    return SnowflakeWarehouse(cast("Connection", connection))
