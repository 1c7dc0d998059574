"""Spark: a session of our own, in a driver here or on a Spark Connect server; its workers make, keep and write rows."""

from featurestore.warehouse.spark.open import open_warehouse

__all__ = ["open_warehouse"]
