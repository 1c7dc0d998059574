"""What a sync says when dbt's files say something else than the registry, whose definitions count for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.output import warn
from featurestore.errors import DefinitionError
from featurestore.texts import counted

if TYPE_CHECKING:
    from featurestore.store import FeatureStore


def warn_of_newer_files(store: FeatureStore) -> None:
    """Warn of model files that are newer than dbt's manifest, and of a manifest that is newer than the registry.

    The usual answer, that nothing changed, costs a look at the files; only else the warehouse is asked.
    """
    workspace = store.workspace
    manifest = workspace.usable_manifest()
    if manifest is None:
        return
    changed = workspace.staleness(manifest)
    if changed is not None:
        warn(changed)
    if not workspace.is_as_applied(manifest, store.project):
        warn_of_newer_manifest(store)


def warn_of_newer_manifest(store: FeatureStore) -> None:
    """Compare the manifest with the registry, and warn of what is not applied."""
    try:
        planned = store.plan()
    except DefinitionError as error:
        warn(f"the definitions have problems, so those of the registry are used:\n{error}")
        return
    if not planned.changes.is_empty:
        changes = counted(len(planned.changes.changes), "change")
        warn(f"the registry is older than the manifest ({changes})\n  -> run featurestore apply")
