"""The feature store that a dbt project already is.

``FeatureStore`` is what a notebook uses; ``featurestore.serving`` is the light lookup client for services, and
``RemoteClient`` asks a feature server.
Names load on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurestore.errors import FeatureStoreError
    from featurestore.serving.remote import RemoteClient
    from featurestore.store import FeatureStore

__version__ = "0.1.0"
__all__ = ["FeatureStore", "FeatureStoreError", "RemoteClient", "__version__"]

_HOMES = {
    "FeatureStore": "featurestore.store",
    "FeatureStoreError": "featurestore.errors",
    "RemoteClient": "featurestore.serving.remote",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'featurestore' has no attribute {name!r}")
    return vars(import_module(_HOMES[name]))[name]


def __dir__() -> list[str]:
    return sorted(__all__)
