"""Which feature views a dbt run built: what may be synced now, and what the registry does not know yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.manifest.nodes import TABLE_RESOURCES, VIEW_KEY, as_mapping

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest, RunResults


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltViews:
    """The feature views whose models succeeded in a run.

    Attributes:
        online: those to sync, in the registry's order.
        offline: references of those that are for training only.
        unapplied: names of models that the manifest calls feature views and the registry does not know.
    """

    online: tuple[FeatureView, ...]
    offline: tuple[str, ...]
    unapplied: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the run built no feature view at all."""
        return not (self.online or self.offline or self.unapplied)


NOTHING_BUILT = BuiltViews(online=(), offline=(), unapplied=())


def built_views(results: RunResults, manifest: Manifest, project: Project | None) -> BuiltViews:
    """Find the feature views that a run built.

    Args:
        results: of the run.
        manifest: dbt's, after the run.
        project: the newest definitions; None when nothing was applied yet.
    """
    succeeded = frozenset(results.succeeded)
    views = [view for view in (project.views if project else ()) if view.source.unique_id in succeeded]
    known = {view.source.unique_id for view in views}
    return BuiltViews(
        online=tuple(view for view in views if view.online),
        offline=tuple(view.reference for view in views if not view.online),
        unapplied=tuple(
            str(manifest.nodes[unique_id].get("name") or unique_id)
            for unique_id in sorted(succeeded - known)
            if _is_feature_view(manifest, unique_id)
        ),
    )


def _is_feature_view(manifest: Manifest, unique_id: str) -> bool:
    node = manifest.nodes.get(unique_id)
    if node is None or node.get("resource_type") not in TABLE_RESOURCES:
        return False
    return VIEW_KEY in as_mapping(as_mapping(node.get("config")).get("meta"))
