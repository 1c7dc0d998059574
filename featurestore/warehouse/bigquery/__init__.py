"""BigQuery through its own client: one session, Arrow out, and examples in by a load job."""

from featurestore.warehouse.bigquery.open import open_warehouse

__all__ = ["open_warehouse"]
