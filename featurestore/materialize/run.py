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
    from collections.abc import Callable, Mapping, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.engines.protocol import Engine, Route
    from featurestore.materialize.window import SyncRequest


GATE_HINT = "mend it and run dbt again; or sync it as it is with --no-gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFailure:
    """A view whose sync did not finish; its watermark has not moved."""

    view: str
    error: FeatureStoreError


def online_views(project: Project, names: Sequence[str] | None) -> tuple[FeatureView, ...]:
    """The views to sync: the named ones (or the one), else all that are online.

    Raises:
        UsageError: a name that is not there, or a view that is not online; or nothing to sync at all.
    """
    if names is None:
        found = tuple(view for view in project.views if view.online)
        if not found:
            raise UsageError("no feature view is online", hint="remove `online: false` from one, and apply")
        return found
    chosen = []
    for name in (names,) if isinstance(names, str) else names:
        reference = parse_reference(name)
        view = project.view(reference.view, version=reference.version)
        if not view.online:
            raise UsageError(f"feature view {view.reference} is not online", hint="remove `online: false`, and apply")
        chosen.append(view)
    return tuple(dict.fromkeys(chosen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told what while views are synced.

    Attributes:
        on_rows: each view and how many of its rows were read so far.
        on_done: each result or failure when it is there.
    """

    on_rows: Callable[[str, int], None] | None = None
    on_done: Callable[[SyncResult | SyncFailure], None] | None = None


def sync_views(
    views: Sequence[FeatureView],
    request: SyncRequest,
    route: Route,
    engine: Engine,
    *,
    faults: Mapping[str, str] | None = None,
    told: Told = Told(),
) -> tuple[SyncResult | SyncFailure, ...]:
    """Sync each view with `materialize.sync.sync_view`.

    Args:
        views: in the order to sync.
        request: which rows, the same for all.
        route: from where to where.
        engine: who carries the rows.
        faults: why views should not be served, by the unique id of their node (`manifest.health`); these fail.
        told: who hears of it.

    Returns:
        One result or failure per view, in order.

    Raises:
        UsageError: bounds that make no sense.
        OnlineStoreError: the store cannot be reached; nothing more is tried.
    """
    choose_end(request, utc_now())
    results: list[SyncResult | SyncFailure] = []
    for view in views:
        on_rows = None if told.on_rows is None else partial(told.on_rows, view.reference)
        try:
            _refuse(view, faults or {})
            results.append(sync_view(view, request, route, engine, on_rows=on_rows))
        except (OperationError, UsageError) as error:  # the latter: data that are not as the registry says
            results.append(SyncFailure(view=view.reference, error=error))
        if told.on_done is not None:
            told.on_done(results[-1])
    return tuple(results)


def _refuse(view: FeatureView, faults: Mapping[str, str]) -> None:
    reason = faults.get(view.source.unique_id)
    if reason is not None:
        raise OperationError(f"not synced, what was served before stays: {reason}", hint=GATE_HINT)
