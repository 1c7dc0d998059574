"""The lookup client: features for entities, from the online store, as the registry defines them.

Shape of a request: plan (compiled once per list of features) -> keys -> one read -> statuses and values.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from featurestore.definitions.references import Reference
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.codec import microseconds
from featurestore.online.layouts import GENERATION
from featurestore.online.state import state_note
from featurestore.serving.cache import make_cache
from featurestore.serving.entities import read_entities
from featurestore.serving.lookup import EMPTY, FILL, look_up
from featurestore.serving.plan import compile_plan
from featurestore.serving.row_sets import KnownNotes
from featurestore.serving.steps import run, run_async

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import NoReturn

    from typing_extensions import Self  # only for type checkers

    from featurestore.definitions.project import Definitions
    from featurestore.online.protocol import OnlineStore
    from featurestore.serving.cache import RowCache
    from featurestore.serving.entities import EntityRows
    from featurestore.serving.lookup import OnError
    from featurestore.serving.plan import LookupPlan
    from featurestore.serving.response import OnlineResponse
    from featurestore.serving.steps import Steps

_PLANS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """Whether lookups can be answered (SEMANTICS O8).

    Attributes:
        is_ready: whether they can.
        reason: why not; empty when ready.
        generation: the id that the store's first sync wrote; None if it holds none.
        not_synced: references of views of which the store knows nothing; their features are NOT_FOUND.
    """

    is_ready: bool
    reason: str = ""
    generation: str | None = None
    not_synced: tuple[str, ...] = ()


def connect(
    project: Definitions,
    online_store: OnlineStore,
    *,
    cache_entries: int | None = None,
    cache_seconds: float | None = None,
    on_error: OnError = "raise",
) -> OnlineClient:
    """Make a client for definitions and a store that are at hand; nothing is read before the first lookup.

    The store is closed with the client; the other arguments are those of `open_client`.
    """
    cache = make_cache(cache_entries, cache_seconds)
    return OnlineClient(project, online_store, cache=cache, on_error=checked_on_error(on_error))


def open_client(  # noqa: PLR0913  every one has its default
    project_dir: str | os.PathLike[str] = ".",
    *,
    target: str | None = None,
    registry: str | None = None,
    registry_version: str | int | None = None,
    online_store: str | None = None,
    cache_entries: int | None = None,
    cache_seconds: float | None = None,
    on_error: OnError = "raise",
) -> OnlineClient:
    """Read the newest registry version and open the online store.

    Args:
        project_dir: the folder of `featurestore.yml`, if there is one; relative paths in the two URIs start there.
        target: the dbt target whose settings count, where `featurestore.yml` has some per target; else ``DBT_TARGET``.
        registry: URI; else ``FEATURESTORE_REGISTRY``, else as `featurestore.yml` says, else its default.
        registry_version: a version's number, or a tag as ``@prod``, whose version is taken when the client opens; else
            ``FEATURESTORE_REGISTRY_VERSION``, else as `featurestore.yml` says, else the newest.
        online_store: URI; else ``FEATURESTORE_ONLINE_STORE``, else as `featurestore.yml` says, else its default.
        cache_entries: keep up to so many decoded rows in this process; nothing is kept if this and the next are None.
        cache_seconds: for at most so long; when only one of the two is given, the other is 100,000 or 2.
        on_error: what a failing store does to a lookup: ``raise``, or ``null`` for an incomplete answer.

    Raises:
        UsageError: nothing was applied yet, a URI that cannot be read, or a target that has to be named.
        UnknownNameError: the registry has no such version or tag; or neither `featurestore.yml` nor dbt's profile,
            where one of them names targets, has this one.
        DefinitionError: problems in `featurestore.yml`.
        RegistryUnavailableError: the registry cannot be read.
    """
    from pathlib import Path

    from featurestore.online.open import open_online_store
    from featurestore.registry.read import read_definitions
    from featurestore.serving.places import find_places

    base_dir = Path(project_dir).resolve()
    places = find_places(
        base_dir, target=target, registry=registry, online_store=online_store, registry_version=registry_version
    )
    project = read_definitions(places.registry, base_dir)
    store = open_online_store(places.online_store, project=project.name, base_dir=base_dir)
    return connect(project, store, cache_entries=cache_entries, cache_seconds=cache_seconds, on_error=on_error)


def written(reference: object) -> str:
    """Write a reference as text. Raises UsageError for what is none."""
    if not isinstance(reference, (str, Reference)):
        raise UsageError(
            f"expected a reference to a feature, got {reference!r}", hint='write features=["view:feature"]'
        )
    return str(reference)


def check_asked(features: object, feature_service: object) -> None:
    """Refuse both and neither."""
    if (features is None) == (feature_service is None):
        raise UsageError(
            "expected either features or a feature service",
            hint='write features=["view:feature"] or feature_service="name"',
        )


def checked_on_error(on_error: OnError) -> OnError:
    """Refuse what is neither ``raise`` nor ``null``."""
    if on_error not in {"raise", "null"}:
        raise UsageError(f"expected on_error to be 'raise' or 'null', got {on_error!r}")
    return on_error


class OnlineClient:
    """Answers lookups. Also a context manager that closes the store.

    One client may be shared by threads, by tasks of several event loops, and with processes that are forked; another
    process that is started anew opens a client of its own.
    """

    def __init__(
        self,
        project: Definitions,
        online_store: OnlineStore,
        *,
        cache: RowCache | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self._project = project
        self._store = online_store
        self._known = KnownNotes(project.name, cache)
        self._on_error: OnError = on_error
        self._plan = functools.lru_cache(maxsize=_PLANS_KEPT)(self._compile)

    def get_online_features(
        self,
        features: Sequence[str | Reference] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
        now: datetime | None = None,
        on_error: OnError | None = None,
    ) -> OnlineResponse:
        """Look up features of entities.

        Args:
            features: references such as ``view:feature``, in output order; or give `feature_service`.
            entity_rows: one mapping per entity, or one list of values per join key; ``[{}]`` for views without entity.
            feature_service: name of a service, whose features are meant.
            full_feature_names: name outputs ``view__feature``.
            now: when ages are judged; naive is UTC. The present by default.
            on_error: for this request, in place of the client's own.

        Returns:
            One row per requested entity, in order, duplicates kept; entity columns first, then features.

        Raises:
            UsageError: unknown or clashing names, a missing, unknown or mistyped join key, ragged columns.
            OnlineStoreError: the store cannot be reached, was emptied or never filled, or keeps a view's rows by other
                join keys. With `on_error` ``null`` the answer has null values with status NOT_FOUND instead, and its
                `error` says why.
        """
        plan = self.plan(features, feature_service=feature_service, full_feature_names=full_feature_names)
        return run(self._steps(plan, entity_rows, now, on_error), self._store.read)

    async def get_online_features_async(
        self,
        features: Sequence[str | Reference] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
        now: datetime | None = None,
        on_error: OnError | None = None,
    ) -> OnlineResponse:
        """Do what `get_online_features` does, without blocking the event loop while the store answers."""
        plan = self.plan(features, feature_service=feature_service, full_feature_names=full_feature_names)
        return await run_async(self._steps(plan, entity_rows, now, on_error), self._store.aread)

    def plan(
        self,
        features: Sequence[str | Reference] | None = None,
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
    ) -> LookupPlan:
        """Resolve names once, for those who ask `answer` often; errors as in `get_online_features`."""
        return self._plan(self._references(features, feature_service), full_feature_names)

    async def answer(self, plan: LookupPlan, entity_rows: EntityRows) -> OnlineResponse:
        """Look up what a plan of this client says; entities and errors as in `get_online_features`."""
        return await run_async(self._steps(plan, entity_rows, None, None), self._store.aread)

    def _steps(
        self, plan: LookupPlan, entity_rows: EntityRows, now: datetime | None, on_error: OnError | None
    ) -> Steps[OnlineResponse]:
        entities = read_entities(entity_rows, plan.join_keys)
        now_us = time.time_ns() // 1_000 if now is None else microseconds(now)
        chosen = self._on_error if on_error is None else checked_on_error(on_error)
        return look_up(plan, entities, self._known.cache, now_us=now_us, on_error=chosen)

    def status(self) -> StoreStatus:
        """Say whether lookups can be answered, and if not, why: for a readiness probe and ``doctor``."""
        views = [view for view in self._project.views if view.online]
        if not views:
            return StoreStatus(is_ready=True)
        try:
            generation, *states = self._store.read((), [GENERATION, *map(state_note, views)])
        except OnlineStoreError as problem:
            return StoreStatus(is_ready=False, reason=str(problem))
        if generation is None:
            return StoreStatus(is_ready=False, reason=f"{EMPTY}; {FILL}")
        return StoreStatus(
            is_ready=True,
            generation=generation.decode(errors="replace"),
            not_synced=tuple(view.reference for view, state in zip(views, states, strict=True) if state is None),
        )

    def is_ready(self) -> bool:
        """Say whether lookups can be answered."""
        return self.status().is_ready

    def close(self) -> None:
        """Close the online store."""
        self._store.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: connections do not travel, and a URI may hold a password."""
        raise UsageError("a client cannot be pickled", hint="open one in each process: open_client(...)")

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the online store."""
        self.close()

    def _references(self, features: Sequence[str | Reference] | None, feature_service: str | None) -> tuple[str, ...]:
        check_asked(features, feature_service)
        if feature_service is not None:
            return self._project.service(feature_service).features
        assert features is not None
        if isinstance(features, str):
            is_service = any(service.name == features for service in self._project.services)
            hint = f"write {'feature_service=' if is_service else 'features=['}{features!r}{'' if is_service else ']'}"
            raise UsageError(f"expected a list of features, got {features!r}", hint=hint)
        names = tuple(features)
        if set(map(type, names)) <= {str}:
            return cast("tuple[str, ...]", names)
        return tuple([written(name) for name in names])

    def _compile(self, references: tuple[str, ...], full_feature_names: bool) -> LookupPlan:
        return compile_plan(self._project, self._known, references, full_feature_names=full_feature_names)
