"""A ClickHouse of this process: our warehouse and `clickhouse-connect` as they are, chdb in place of a server.

Every connection reaches the same databases; a process has one engine, so tests use databases of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import clickhouse_connect

from featurestore.warehouse.clickhouse.open import SETTINGS
from featurestore.warehouse.clickhouse.warehouse import ClickHouseWarehouse

if TYPE_CHECKING:
    from featurestore.warehouse.clickhouse.client import Client


def clickhouse_in_process(*, database: str | None = None) -> ClickHouseWarehouse:
    """Open a session in a database, the first one if none is named."""

    def connect() -> Client:
        return clickhouse_connect.get_client(interface="chdb", database=database, settings=SETTINGS)

    return ClickHouseWarehouse(connect, place="chdb")
