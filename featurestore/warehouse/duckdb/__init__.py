"""DuckDB: a file that dbt writes, opened for a short time and read-only."""

from featurestore.warehouse.duckdb.open import open_warehouse

__all__ = ["open_warehouse"]
