"""Where a client finds registry and store: arguments, else environment, else `featurestore.yml`, else defaults.

YAML and Jinja are loaded only where the file has to be read; a container that sets both variables needs neither.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from featurestore.definitions.places import (
    DEFAULT_ONLINE_STORE,
    ENVIRONMENT,
    SETTINGS_FILE,
    RegistryPlace,
    is_in_bucket,
    pinned_to,
    with_environment,
)
from featurestore.errors import UnknownNameError, UsageError, unknown_name

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

_SUFFIXES = (".yml", ".yaml")
"""The second is a mistake, which reading the settings reports."""
_DBT_PROJECT = "dbt_project.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlaces:
    """The registry's place and the online store's URI, which may hold a password."""

    registry: RegistryPlace
    online_store: str = field(repr=False)


def find_places(
    base_dir: Path,
    *,
    target: str | None,
    registry: str | None,
    online_store: str | None,
    registry_version: str | int | None = None,
) -> ServingPlaces:
    """Find the two places; arguments and errors as `serving.open_client` says.

    Where both URIs are given and the registry is a path, the file has nothing to add but how readers take it, and is
    not read: a container that has them in its environment has ``FEATURESTORE_REGISTRY_VERSION`` and the like, too.
    """
    uri = registry or os.environ.get(ENVIRONMENT["registry"])
    online_store = online_store or os.environ.get(ENVIRONMENT["online_store"])
    named = target or os.environ.get("DBT_TARGET")
    file = base_dir / SETTINGS_FILE
    are_given = bool(uri and online_store)
    place = RegistryPlace()
    if not are_given or is_in_bucket(uri or ""):
        if any(file.with_suffix(suffix).exists() for suffix in _SUFFIXES):
            settings = _read_settings(base_dir, named)
            place, online_store = settings.registry, online_store or settings.online_store
        elif not are_given and named and (base_dir / _DBT_PROJECT).exists():
            check_target(base_dir, named, ())
    place = with_environment(place, os.environ)
    if registry:
        place = replace(place, uri=registry)
    pinned = pinned_to(place, registry_version)
    return ServingPlaces(registry=pinned, online_store=online_store or DEFAULT_ONLINE_STORE)


def _read_settings(base_dir: Path, target: str | None) -> ServingPlaces:
    from featurestore.manifest.settings import load_settings

    targets = targets_with_settings(base_dir)
    if target is not None:
        check_target(base_dir, target, targets)
    elif targets:
        raise UsageError(
            "the settings differ by dbt target, and none is named",
            where=f"{SETTINGS_FILE}: targets",
            hint=f'write open_client(target="{targets[0]}"), or set DBT_TARGET; known: {", ".join(targets)}',
        )
    settings = load_settings(base_dir, target=target or "", environ=os.environ)
    return ServingPlaces(registry=settings.registry, online_store=settings.online_store)


def targets_with_settings(base_dir: Path) -> tuple[str, ...]:
    """The targets that `featurestore.yml` has settings for."""
    from featurestore.manifest.yaml_file import read_yaml

    file = base_dir / SETTINGS_FILE
    targets = read_yaml(file).get("targets") if file.exists() else None
    return tuple(map(str, targets)) if isinstance(targets, dict) else ()


def check_target(base_dir: Path, target: str, with_settings: tuple[str, ...]) -> None:
    """Refuse a target that neither the settings nor dbt's profile name; where neither names any, it changes nothing."""
    if target in with_settings:
        return
    of_dbt = _targets_of_dbt(base_dir)
    if target not in of_dbt and (of_dbt or with_settings):
        _refuse(target, with_settings, of_dbt)


def _targets_of_dbt(base_dir: Path) -> tuple[str, ...]:
    """The targets of the project's dbt profile; none where a service is shipped without it."""
    from featurestore.manifest.dbt_project import load_dbt_project
    from featurestore.manifest.profiles import target_names

    try:
        return target_names(load_dbt_project(base_dir, environ=os.environ), environ=os.environ)
    except UsageError:
        return ()


def _refuse(target: str, with_settings: tuple[str, ...], of_dbt: tuple[str, ...]) -> NoReturn:
    if of_dbt:
        raise unknown_name("target", target, {*with_settings, *of_dbt}, place=f"{SETTINGS_FILE} or dbt's profile")
    problem = unknown_name("target", target, with_settings, place=SETTINGS_FILE)
    also = f"a target without settings of its own is written `targets: {{{target}: {{}}}}`"
    raise UnknownNameError(problem.what, hint=f"{problem.hint} ({also})")
