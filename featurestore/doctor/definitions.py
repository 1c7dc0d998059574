"""The dbt project and what was made of it: its files, manifest, and the registry against the manifest."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.doctor.finding import Finding, failed, failure, ok, warning
from featurestore.errors import DefinitionError, FeatureStoreError, UsageError, WarehouseError, split_problem
from featurestore.manifest.artifacts import newer_sources
from featurestore.manifest.dbt_project import load_dbt_project
from featurestore.manifest.profiles import load_profile
from featurestore.manifest.settings import load_settings
from featurestore.registry.diff import diff
from featurestore.registry.document import manifest_facts
from featurestore.registry.files.local import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.definitions.project import Project
    from featurestore.registry.document import Document
    from featurestore.registry.versions import Registry
    from featurestore.workspace import Places, Workspace

APPLY = "featurestore apply"


def examine_files(places: Places, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check `dbt_project.yml`, `profiles.yml` and `featurestore.yml`; stops at the first that cannot be read."""
    check = "dbt project"
    try:
        dbt = load_dbt_project(places.project_dir, environ=environ)
        yield ok(check, f"{dbt.name} in {dbt.project_dir.as_posix()}")
        check = "profile"
        profile = load_profile(
            dbt, profiles_dir=places.profiles_dir, profile=places.profile, target=places.target, environ=environ
        )
        yield ok(check, f"{profile.name}, target {profile.target}, adapter {profile.type}")
        check = "settings"
        load_settings(dbt.project_dir, target=profile.target, environ=environ)
        is_there = (dbt.project_dir / SETTINGS_FILE).is_file()
        yield ok(check, SETTINGS_FILE if is_there else f"no {SETTINGS_FILE}, so the defaults count")
    except DefinitionError as error:
        message, hint = split_problem(error.problems[0])
        more = "featurestore validate names all problems"
        yield failure(check, message, f"{hint}; {more}" if hint else more)
    except UsageError as error:
        yield failed(check, error)


def examine_manifest(workspace: Workspace) -> Finding:
    """Check that dbt's manifest is there, readable, of this target, and not older than the models."""
    try:
        manifest = workspace.manifest()
    except UsageError as error:
        return failed("manifest", error)
    seconds = time.time() - (workspace.dbt.target_dir / "manifest.json").stat().st_mtime
    facts = manifest_facts(manifest.metadata, target=workspace.profile.target)
    what = f"{facts.schema_version} of dbt {facts.dbt_version}, {span(seconds)} old"
    newer = newer_sources(manifest, workspace.dbt.project_dir, workspace.dbt.target_dir)
    if newer:
        named = f"{', '.join(newer[:3])}{', ...' if len(newer) > 3 else ''}"
        return warning("manifest", f"{what}, but changed since: {named}", "dbt parse, or dbt build")
    return ok("manifest", what)


def read_definitions(workspace: Workspace) -> tuple[Finding, Project | None]:
    """Check the metadata in the manifest; returns the definitions too if they are right."""
    try:
        reading = workspace.read_definitions(workspace.manifest())
    except DefinitionError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        first = error.problems[0].partition("\n")[0]
        return failure("definitions", f"{first}{more}", "featurestore validate names all problems"), None
    except WarehouseError as error:
        return warning("definitions", "their types cannot be asked of the warehouse", error.hint), None
    except FeatureStoreError as error:
        return failed("definitions", error), None
    project = reading.project
    counts = f"feature views: {len(project.views)}, feature services: {len(project.services)}"
    if not project.views:
        return warning("definitions", "no feature view", "give a model `config.meta.feature_view`"), project
    return ok("definitions", counts), project


def read_registry(workspace: Workspace, defined: Project | None) -> tuple[Finding, Document | None]:
    """Check that the registry can be read and written, and says what the manifest says; returns its newest version."""
    registry = workspace.registry()
    try:
        document = registry.latest(project=workspace.dbt.name)
    except FeatureStoreError as error:
        return failed("registry", error), None
    place = registry.files.location
    if not _is_writable(registry):
        return warning("registry", f"{place} cannot be written by this user", "apply as another user"), document
    if document is None:
        return warning("registry", f"{place} holds no version yet", APPLY), None
    what = f"version {document.version} in {place}"
    if defined is None:
        return warning("registry", f"{what}; not compared with the manifest", None), document
    changes = len(diff(document.content, defined).changes)
    if changes:
        return warning("registry", f"{what}; {changes} changes in the manifest are not applied", APPLY), document
    return ok("registry", f"{what}, as the manifest says"), document


def span(seconds: float) -> str:
    """Write how long ago something was, in its largest unit: ``12s``, ``3m``, ``5h``, ``9d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _is_writable(registry: Registry) -> bool:
    """Whether a version could be created; known without trying only where the registry is a folder."""
    if not isinstance(registry.files, LocalFiles):
        return True
    place = Path(registry.files.location)
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK)
