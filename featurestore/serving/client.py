"""The lookup client: features for entities, from the online store, as the registry defines them.

Shape of a request: plan (compiled once per list of features) -> keys -> one read -> statuses and values.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.codec import microseconds
from featurestore.online.layouts import read_generation
from featurestore.serving.entities import read_entities
from featurestore.serving.lookup import look_up
from featurestore.serving.plan import compile_plan

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType

    from typing_extensions import Self  # only for type checkers

    from featurestore.definitions.project import Project
    from featurestore.online.protocol import OnlineStore
    from featurestore.serving.entities import EntityRows
    from featurestore.serving.plan import LookupPlan
    from featurestore.serving.response import OnlineResponse

_PLANS_KEPT = 256
_GENERATION_TRUSTED_S = 1.0
_EMPTY = "the online store was emptied or never filled: it holds no generation marker"
_FILL = "run featurestore materialize --full"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """Whether lookups can be answered (SEMANTICS O8).

    Attributes:
        is_ready: whether they can.
        reason: why not; empty when ready.
        generation: the id that the store's first sync wrote; None if it holds none.
    """

    is_ready: bool
    reason: str = ""
    generation: str | None = None


def connect(project: Project, online_store: OnlineStore) -> OnlineClient:
    """Make a client for definitions and a store that are at hand; nothing is read before the first lookup."""
    return OnlineClient(project, online_store)


def open_client(
    project_dir: str | os.PathLike[str] = ".",
    *,
    target: str | None = None,
    registry: str | None = None,
    online_store: str | None = None,
) -> OnlineClient:
    """Read the newest registry version and open the online store.

    Args:
        project_dir: the folder of `featurestore.yml`, if there is one; relative paths in the two URIs start there.
        target: the dbt target whose settings count, where `featurestore.yml` has some per target; else ``DBT_TARGET``.
        registry: URI; else ``FEATURESTORE_REGISTRY``, else as `featurestore.yml` says, else its default.
        online_store: URI; else ``FEATURESTORE_ONLINE_STORE``, else as `featurestore.yml` says, else its default.

    Raises:
        UsageError: nothing was applied yet, a URI that cannot be read, or a target that has to be named.
        DefinitionError: problems in `featurestore.yml`.
        RegistryUnavailableError: the registry cannot be read.
    """
    from pathlib import Path

    from featurestore.online.open import open_online_store
    from featurestore.registry.read import read_latest_project
    from featurestore.serving.places import find_places

    base_dir = Path(project_dir).resolve()
    places = find_places(base_dir, target=target, registry=registry, online_store=online_store)
    project = read_latest_project(places.registry, base_dir)
    return connect(project, open_online_store(places.online_store, project=project.name, base_dir=base_dir))


class OnlineClient:
    """Answers lookups; may be shared by threads. Also a context manager that closes the store."""

    def __init__(self, project: Project, online_store: OnlineStore) -> None:
        self._project = project
        self._store = online_store
        self._plan = functools.lru_cache(maxsize=_PLANS_KEPT)(self._compile)
        self._filled_at = float("-inf")

    def get_online_features(
        self,
        features: Sequence[str] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
        now: datetime | None = None,
    ) -> OnlineResponse:
        """Look up features of entities.

        Args:
            features: references such as ``view:feature``, in output order; or give `feature_service`.
            entity_rows: one mapping per entity, or one list of values per join key; ``[{}]`` for views without entity.
            feature_service: name of a service, whose features are meant.
            full_feature_names: name outputs ``view__feature``.
            now: when ages are judged; naive is UTC. The present by default.

        Returns:
            One row per requested entity, in order, duplicates kept; entity columns first, then features.

        Raises:
            UsageError: unknown or clashing names, a missing, unknown or mistyped join key, ragged columns.
            OnlineStoreError: the store cannot be reached, or was emptied or never filled.
        """
        plan = self._plan(self._references(features, feature_service), full_feature_names)
        entities = read_entities(entity_rows, [column.name for column in plan.entity_columns])
        now_us = time.time_ns() // 1_000 if now is None else microseconds(now)
        return look_up(plan, entities, self._read, now_us=now_us)

    def status(self) -> StoreStatus:
        """Say whether lookups can be answered, and if not, why: for a readiness probe and ``doctor``."""
        if not any(view.online for view in self._project.views):
            return StoreStatus(is_ready=True)
        try:
            generation = read_generation(self._store)
        except OnlineStoreError as problem:
            return StoreStatus(is_ready=False, reason=str(problem))
        if generation is None:
            return StoreStatus(is_ready=False, reason=f"{_EMPTY}; {_FILL}")
        return StoreStatus(is_ready=True, generation=generation)

    def is_ready(self) -> bool:
        """Say whether lookups can be answered."""
        return self.status().is_ready

    def close(self) -> None:
        """Close the online store."""
        self._store.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the online store."""
        self.close()

    def _references(self, features: Sequence[str] | None, feature_service: str | None) -> tuple[str, ...]:
        if (features is None) == (feature_service is None):
            raise UsageError(
                "expected either features or a feature service",
                hint='write features=["view:feature"] or feature_service="name"',
            )
        if feature_service is not None:
            return self._project.service(feature_service).features
        assert features is not None
        if isinstance(features, str):
            raise UsageError(f"expected a list of features, got {features!r}", hint=f"write features=[{features!r}]")
        return tuple(features)

    def _compile(self, references: tuple[str, ...], full_feature_names: bool) -> LookupPlan:
        return compile_plan(self._project, self._store, references, full_feature_names=full_feature_names)

    def _read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows; where none is found at all, make sure that the store is not simply empty (O8)."""
        found = self._store.read(keys)
        if all(row is None for row in found):
            self._refuse_empty_store()
        return found

    def _refuse_empty_store(self) -> None:
        if time.monotonic() - self._filled_at < _GENERATION_TRUSTED_S:
            return
        if read_generation(self._store) is None:
            raise OnlineStoreError(_EMPTY, hint=_FILL)
        self._filled_at = time.monotonic()
