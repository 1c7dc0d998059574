"""Sync several views, one after the other; one that fails does not stop the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, OperationError, UsageError
from featurestore.materialize.sync import SyncResult, sync_view
from featurestore.materialize.window import choose_end, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.window import SyncRequest
    from featurestore.online.protocol import OnlineStore
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFailure:
    """A view whose sync did not finish; its watermark has not moved."""

    view: str
    error: FeatureStoreError


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
