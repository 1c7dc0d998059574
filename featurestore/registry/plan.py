"""A plan: what an apply would change, as plain data that a person or a program can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from featurestore.definitions.views import Json
from featurestore.registry.classify import Impact

Kind = Literal["added", "changed", "removed"]
What = Literal["project", "entity", "stream", "view", "feature", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        kind: what happened to the thing.
        what: the sort of thing.
        name: its name: ``entity``, ``view`` or ``view@v2``, ``view:feature``, ``service``.
        field: which field of it changed; None when all of it was added or removed. A view has a
            ``latest`` (what its bare name means) and a ``feature_order``, a service has ``features``
            (one change per reference) and ``feature_order``.
        before, after: the field's values, or what an added or removed thing consists of.
        impact: ``breaking``, ``compatible`` or ``cosmetic``.
        services: names of the feature services that use the thing, before or after; sorted.
    """

    kind: Kind
    what: What
    name: str
    field: str | None = None
    before: Json = None
    after: Json = None
    impact: Impact
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes, in the order project, entities, streams, views each with its features, services."""

    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether an apply would create nothing."""
        return not self.changes

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that may change an answer or make a request fail."""
        return tuple(change for change in self.changes if change.impact == "breaking")

    @property
    def counts(self) -> dict[str, int]:
        """How many changes of each kind and of each impact."""
        words = ("added", "changed", "removed", "breaking", "compatible", "cosmetic")
        return {word: sum(word in {change.kind, change.impact} for change in self.changes) for word in words}

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data: ``{"counts": {...}, "changes": [{...}, ...]}``."""
        return {"counts": self.counts, "changes": [msgspec.to_builtins(change) for change in self.changes]}
