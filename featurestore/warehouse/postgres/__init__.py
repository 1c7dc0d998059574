"""Postgres: Arrow both ways through ADBC, in one session and its transactions."""

from featurestore.warehouse.postgres.open import open_warehouse

__all__ = ["open_warehouse"]
