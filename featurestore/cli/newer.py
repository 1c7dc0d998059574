"""What a sync says when dbt's files say something else than the registry, whose definitions count for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.output import warn
from featurestore.definitions.moments import parse_moment
from featurestore.errors import DefinitionError, UsageError
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
    document = store.document
    is_older = _is_before(str(manifest.metadata.get("generated_at") or ""), document.source.generated_at)
    if not is_older and not workspace.is_as_applied(manifest, document.content):
        warn_of_newer_manifest(store)


def _is_before(one: str, other: str) -> bool:
    """Whether a time that dbt wrote lies before another one; False where one of them is none."""
    try:
        first, second = parse_moment(one or None), parse_moment(other or None)
    except UsageError:
        return False
    return first is not None and second is not None and first < second


def warn_of_newer_manifest(store: FeatureStore) -> None:
    """Compare the manifest with the registry, and warn of what is not applied."""
    try:
        planned = store.plan()
    except DefinitionError as error:
        warn(f"the definitions have problems, so those of the registry are used:\n{error}")
        return
    if planned.changes.is_empty:
        return
    changes = counted(len(planned.changes.changes), "change")
    document = store.document
    if document.version == planned.current and document.rolled_back_to is not None:
        back = f"version {document.version} of the registry is version {document.rolled_back_to} again"
        hint = "put the dbt project back too; featurestore apply would bring its definitions again"
        warn(f"{back}, and the manifest says what it said before ({changes})\n  -> {hint}")
        return
    warn(f"the registry is older than the manifest ({changes})\n  -> run featurestore apply")
