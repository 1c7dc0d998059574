"""The warehouse and the online store: whether they open, and whether what should be there is in them."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from featurestore.definitions.durations import format_duration
from featurestore.doctor.definitions import span
from featurestore.doctor.finding import Finding, failed, failure, ok, warning
from featurestore.errors import FeatureStoreError
from featurestore.online.layouts import read_generation
from featurestore.online.redis import RedisStore
from featurestore.online.state import is_current, read_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.workspace import Workspace

SYNC = "featurestore materialize"


def examine_warehouse(workspace: Workspace, project: Project | None) -> Finding:
    """Check that the warehouse opens and that the tables of all feature views are in it."""
    relations = {view.relation: view.source.unique_id for view in (project.views if project else ())}
    try:
        with closing(workspace.open_warehouse()) as warehouse:
            present = warehouse.columns(relations)
    except FeatureStoreError as error:
        return failed("warehouse", error)
    missing = sorted(relation for relation in relations if relation not in present)
    if missing:
        models = " ".join(sorted(relations[relation].split(".")[2] for relation in missing))
        return failure("warehouse", f"not built: {', '.join(missing)}", f"dbt build --select {models}")
    return ok("warehouse", f"{workspace.profile.type} opens; tables of feature views: {len(relations)}")


def examine_online(workspace: Workspace, project: Project | None) -> Iterator[Finding]:
    """Check that the online store answers, keeps what it is given, and how far each view was synced."""
    views = [view for view in (project.views if project else ()) if view.online]
    try:
        with closing(workspace.open_online_store()) as store:
            generation = read_generation(store)
            yield _examine_generation(workspace, generation)
            if isinstance(store, RedisStore):
                yield _examine_eviction(store)
            if generation is not None:
                yield from [_examine_view(store, view) for view in views]
    except FeatureStoreError as error:
        yield failed("online store", error)


def _examine_generation(workspace: Workspace, generation: str | None) -> Finding:
    kind = workspace.settings.online_store.partition(":")[0]
    if generation is None:
        return warning("online store", f"{kind}: it was never filled, or it was emptied", SYNC)
    return ok("online store", f"{kind}: filled, generation {generation}")


def _examine_eviction(store: RedisStore) -> Finding:
    """Rows that a full server forgets are answered with NOT_FOUND, as if they had never been."""
    try:
        policy = store.eviction_policy()
    except FeatureStoreError:
        return warning("eviction", "the server does not tell its maxmemory-policy", "see that it is not allkeys-*")
    if policy.startswith("allkeys-"):
        what = f"maxmemory-policy is {policy}: a full server forgets features and watermarks"
        return warning("eviction", what, "set maxmemory-policy to noeviction or volatile-ttl")
    return ok("eviction", f"maxmemory-policy is {policy or 'not told'}")


def _examine_view(store: OnlineStore, view: FeatureView) -> Finding:
    check = f"view {view.reference}"
    sync = f"{SYNC} {view.reference}"
    watermark = read_state(store, view).watermark
    if watermark is None:
        return warning(check, "never synced", sync)
    now = datetime.now(timezone.utc)
    synced = f"synced {span((now - watermark.synced_at).total_seconds())} ago"
    reached = f"data up to {watermark.event_time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    if not is_current(watermark, view):
        return warning(check, f"{synced}, but the registry defines it otherwise now", sync)
    if view.ttl_us is not None and watermark.event_time + timedelta(microseconds=view.ttl_us) < now:
        what = f"{synced}, {reached}: every value has outlived its ttl of {format_duration(view.ttl_us)}"
        return warning(check, what, f"dbt build, then {sync}")
    return ok(check, f"{synced}, {reached}")
