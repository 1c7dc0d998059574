"""Snowflake through its own connector: Arrow out, and examples in by a stage."""

from featurestore.warehouse.snowflake.open import open_warehouse

__all__ = ["open_warehouse"]
