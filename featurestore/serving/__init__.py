"""Ask the online store for features at prediction time: needs the registry and the store, no warehouse and no dbt.

Importing this package loads the standard library and msgspec only; `redis` loads on the first connect.
"""

from __future__ import annotations

from featurestore.serving.client import OnlineClient, StoreStatus, connect, open_client
from featurestore.serving.columns import FeatureColumn, ready_columns
from featurestore.serving.judged import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from featurestore.serving.response import OnlineResponse

__all__ = [
    "NOT_FOUND",
    "NULL_VALUE",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "FeatureColumn",
    "OnlineClient",
    "OnlineResponse",
    "StoreStatus",
    "connect",
    "open_client",
    "ready_columns",
]
