"""ClickHouse over HTTP: Arrow streams both ways in one session."""

from featurestore.warehouse.clickhouse.open import open_warehouse

__all__ = ["open_warehouse"]
