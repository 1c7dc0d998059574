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
from featurestore.online.redis.store import RedisStore
from featurestore.online.state import is_current, read_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.redis.upkeep import ServerFacts
    from featurestore.workspace import Workspace

SYNC = "featurestore materialize"
_FULL_PERCENT = 80
_MAY_FORGET_LIVE_ROWS = {"volatile-lru", "volatile-lfu", "volatile-random"}


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
                yield from _examine_memory(store)
            if generation is not None:
                yield from [_examine_view(store, view) for view in views]
    except FeatureStoreError as error:
        yield failed("online store", error)


def _examine_generation(workspace: Workspace, generation: str | None) -> Finding:
    kind = workspace.settings.online_store.partition(":")[0]
    if generation is None:
        return warning("online store", f"{kind}: it was never filled, or it was emptied", SYNC)
    return ok("online store", f"{kind}: filled, generation {generation}")


def _examine_memory(store: RedisStore) -> Iterator[Finding]:
    """Rows that a full server forgets are answered with NOT_FOUND, as if they had never been."""
    try:
        servers = store.server_facts()
    except FeatureStoreError:
        yield warning("eviction", "the server does not tell its maxmemory-policy", "see that it is not allkeys-*")
        return
    for server in servers:
        where = f" of {server.name}" if len(servers) > 1 else ""
        yield _examine_eviction(server, where)
        yield _examine_room(server, where)


def _examine_eviction(server: ServerFacts, where: str) -> Finding:
    policy, said = server.policy, f"maxmemory-policy{where} is {server.policy or 'not told'}"
    remedy = "set maxmemory-policy to noeviction or volatile-ttl"
    if policy.startswith("allkeys-"):
        return warning("eviction", f"{said}: a full server forgets features and watermarks", remedy)
    if server.evicted_keys:
        what = f"the server{where} was full and has forgotten keys: {server.evicted_keys}"
        return warning("eviction", what, f"raise maxmemory, then {SYNC} --full")
    if policy in _MAY_FORGET_LIVE_ROWS:
        return warning("eviction", f"{said}: a full server may forget live rows of views with a ttl", remedy)
    return ok("eviction", said)


def _examine_room(server: ServerFacts, where: str) -> Finding:
    if server.maxmemory_bytes is None or server.used_bytes is None:
        return warning("memory", f"the server{where} does not tell its maxmemory", None)
    used = f"{server.used_bytes / 2**20:,.0f} MiB"
    if not server.maxmemory_bytes:
        what = f"maxmemory{where} is unlimited, {used} used: the machine's memory is the limit"
        return warning("memory", what, "set maxmemory, so that a full server refuses writes instead of being killed")
    share = 100 * server.used_bytes // server.maxmemory_bytes
    said = f"{used} of {server.maxmemory_bytes / 2**20:,.0f} MiB{where} used ({share} %)"
    if share > _FULL_PERCENT:
        return warning("memory", said, "raise maxmemory, or remove views and old sets of rows")
    return ok("memory", said)


def _examine_view(store: OnlineStore, view: FeatureView) -> Finding:
    check = f"view {view.reference}"
    sync = f"{SYNC} {view.reference}"
    state = read_state(store, view)
    watermark = state.watermark
    if watermark is None:
        return warning(check, "never synced", sync)
    now = datetime.now(timezone.utc)
    synced = f"synced {span((now - watermark.synced_at).total_seconds())} ago"
    reached = f"data up to {watermark.event_time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    if not is_current(state, view):
        return warning(check, f"{synced}, but the registry defines it otherwise now", sync)
    if view.ttl_us is not None and watermark.event_time + timedelta(microseconds=view.ttl_us) < now:
        what = f"{synced}, {reached}: every value has outlived its ttl of {format_duration(view.ttl_us)}"
        return warning(check, what, f"dbt build, then {sync}")
    return ok(check, f"{synced}, {reached}")
