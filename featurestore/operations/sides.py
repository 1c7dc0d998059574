"""The two sides that are compared, and the problem that keeps a view from being compared at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.errors import UnknownNameError, did_you_mean
from featurestore.materialize.run import online_views
from featurestore.materialize.window import utc_now
from featurestore.online.state import Watermark, is_redefined, join_keys_of, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import ViewState
    from featurestore.warehouse.protocol import Warehouse

SYNC = "run featurestore materialize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Warehouse and online store of one project.

    Attributes:
        project: the definitions.
        store: the online store, open.
        open_warehouse: opens the warehouse for reading.
    """

    project: Project
    store: OnlineStore
    open_warehouse: Callable[[], Warehouse]


def chosen_views(project: Project, names: Sequence[str] | None) -> tuple[FeatureView, ...]:
    """The named views, else all that are online. Raises UsageError as `materialize.run.online_views`."""
    return online_views(project, names or None)


def state_to_compare(view: FeatureView, store: OnlineStore) -> ViewState:
    """What the store says about a view; one that a stream fills from its beginning is synced up to now."""
    state = read_state(store, view)
    if state.watermark is not None or view.stream is None or not state.sets:
        return state
    now = utc_now()
    loaded = None if view.created_at is None else now
    watermark = Watermark(
        event_time=now, created_time=loaded, layout=view.fingerprint, ttl_us=view.ttl_us, synced_at=now
    )
    return replace(state, watermark=watermark)


def unsynced(view: FeatureView, state: ViewState) -> str | None:
    """Say why what is online cannot be measured by this definition; None if it can.

    Args:
        view: the definition.
        state: what the store says about the view.
    """
    if state.watermark is None:
        return "no sync of all of it has ended yet" if state.sets else "never synced"
    if state.set_for(view) is None:
        was = ", ".join(name for name, _ in state.sets[0].join_keys) or "none"
        now = ", ".join(name for name, _ in join_keys_of(view)) or "none"
        return f"its join keys changed since the last sync, from {was} to {now}"
    return _change(view, state, state.watermark)


def _change(view: FeatureView, state: ViewState, watermark: Watermark) -> str | None:
    if is_redefined(state, view):
        return "its source, keys or rules of time changed since the last sync"
    if watermark.layout != view.fingerprint:
        return "its features changed since the last sync"
    if watermark.ttl_us != view.ttl_us:
        return "its ttl changed since the last sync"
    return None


def unknown_view(name: str, known: Sequence[str]) -> UnknownNameError:
    """Build the error for a view that neither the registry nor the store knows."""
    return UnknownNameError(
        f"no feature view '{name}' in the registry or the online store", hint=did_you_mean(name, known)
    )
