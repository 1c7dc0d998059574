"""Sync several views, one after the other; one that fails does not stop the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from featurestore.definitions.references import parse_reference
from featurestore.errors import FeatureStoreError, OperationError, UsageError
from featurestore.materialize.sync import SyncResult, sync_view
from featurestore.materialize.window import choose_end, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.window import SyncRequest
    from featurestore.online.protocol import OnlineStore
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFailure:
    """A view whose sync did not finish; its watermark has not moved."""

    view: str
    error: FeatureStoreError


def online_views(project: Project, names: Sequence[str] | None) -> tuple[FeatureView, ...]:
    """The views to sync: the named ones, else all that are online.

    Raises:
        UsageError: a name that is not there, or a view that is not online; or nothing to sync at all.
    """
    if names is None:
        found = tuple(view for view in project.views if view.online)
        if not found:
            raise UsageError("no feature view is online", hint="remove `online: false` from one, and apply")
        return found
    chosen = []
    for name in names:
        reference = parse_reference(name)
        view = project.view(reference.view, version=reference.version)
        if not view.online:
            raise UsageError(f"feature view {view.reference} is not online", hint="remove `online: false`, and apply")
        chosen.append(view)
    return tuple(dict.fromkeys(chosen))


def sync_views(
    views: Sequence[FeatureView],
    request: SyncRequest,
    *,
    project: str,
    warehouse: Warehouse,
    store: OnlineStore,
    on_rows: Callable[[str, int], None] | None = None,
) -> tuple[SyncResult | SyncFailure, ...]:
    """Sync each view with `materialize.sync.sync_view`.

    Args:
        views: in the order to sync.
        request: which rows, the same for all.
        project: name of the project.
        warehouse: read from, open.
        store: written to, open.
        on_rows: told each view and how many rows were read so far.

    Returns:
        One result or failure per view, in order.

    Raises:
        UsageError: bounds that make no sense.
        OnlineStoreError: the store cannot be reached; nothing more is tried.
    """
    choose_end(request, utc_now())
    results: list[SyncResult | SyncFailure] = []
    for view in views:
        told = None if on_rows is None else partial(on_rows, view.reference)
        try:
            results.append(sync_view(view, request, project=project, warehouse=warehouse, store=store, on_rows=told))
        except (OperationError, UsageError) as error:  # the latter: data that are not as the registry says
            results.append(SyncFailure(view=view.reference, error=error))
    return tuple(results)
