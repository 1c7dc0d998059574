"""Where a client finds registry and store: arguments, else environment, else `featurestore.yml`, else defaults.

YAML and Jinja are loaded only where the file has to be read; a container that sets both variables needs neither.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featurestore.definitions.places import DEFAULT_ONLINE_STORE, DEFAULT_REGISTRY, ENVIRONMENT, SETTINGS_FILE
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES = (".yml", ".yaml")
"""The second is a mistake, which reading the settings reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlaces:
    """The two URIs; the second may hold a password."""

    registry: str
    online_store: str = field(repr=False)


def find_places(base_dir: Path, *, target: str | None, registry: str | None, online_store: str | None) -> ServingPlaces:
    """Find the two URIs; arguments and errors as `serving.open_client` says."""
    registry = registry or os.environ.get(ENVIRONMENT["registry"])
    online_store = online_store or os.environ.get(ENVIRONMENT["online_store"])
    file = base_dir / SETTINGS_FILE
    if not (registry and online_store) and any(file.with_suffix(suffix).exists() for suffix in _SUFFIXES):
        settings = _read_settings(base_dir, target or os.environ.get("DBT_TARGET"))
        registry, online_store = registry or settings.registry, online_store or settings.online_store
    return ServingPlaces(registry=registry or DEFAULT_REGISTRY, online_store=online_store or DEFAULT_ONLINE_STORE)


def _read_settings(base_dir: Path, target: str | None) -> ServingPlaces:
    from featurestore.manifest.settings import load_settings
    from featurestore.manifest.yaml_file import read_yaml

    if target is None and (base_dir / SETTINGS_FILE).exists() and read_yaml(base_dir / SETTINGS_FILE).get("targets"):
        raise UsageError(
            "the settings differ by dbt target, and none is named",
            where=f"{SETTINGS_FILE}: targets",
            hint='write open_client(target="prod"), or set DBT_TARGET',
        )
    settings = load_settings(base_dir, target=target or "", environ=os.environ)
    return ServingPlaces(registry=settings.registry, online_store=settings.online_store)
