"""A ClickHouse of this process: our warehouse and `clickhouse-connect` as they are, chdb in place of a server.

Every connection reaches the same databases; a process has one engine, so tests use databases of their own.
"""

from __future__ import annotations

import clickhouse_connect
import pytest

from featurestore.warehouse.clickhouse import SETTINGS, ClickHouseWarehouse

pytest.importorskip("chdb", reason="chdb is not installed")


def clickhouse_in_process(**settings: str) -> ClickHouseWarehouse:
    """Open a session; `settings` are ClickHouse's own, ours win."""
    return ClickHouseWarehouse(
        lambda: clickhouse_connect.get_client(interface="chdb", settings={**settings, **SETTINGS}), place="chdb"
    )
