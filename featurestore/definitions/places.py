"""Where a project says, and where it is by default, that its registry and its online store are."""

from __future__ import annotations

SETTINGS_FILE = "featurestore.yml"
DEFAULT_REGISTRY = ".featurestore/registry/"
DEFAULT_ONLINE_STORE = "sqlite:.featurestore/online.sqlite"
ENVIRONMENT = {"registry": "FEATURESTORE_REGISTRY", "online_store": "FEATURESTORE_ONLINE_STORE"}
"""By key of the settings file; a variable that is set wins over the file."""
