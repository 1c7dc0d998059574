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
            ``latest`` (what its bare name means), a ``feature_order``, and ``sql`` or ``upstream`` where its own SQL or
            that of something above it is another; a service has ``features`` (one change per reference) and
            ``feature_order``.
        before, after: the field's values, or what an added or removed thing consists of.
        impact: ``breaking``, ``value-changing``, ``compatible`` or ``cosmetic``.
        services: names of the feature services that use the thing, before or after; of a change of SQL, those that use
            a feature whose values change; sorted.
        features: of a change of SQL, the features whose values may be others; all are named.
        through: of a change of SQL, names of the models, snapshots and seeds above the view that changed.
        uncompiled: of a change of SQL, names of models of which only dbt's compiled SQL would say which features
            change, and dbt has not compiled them; then all features count as changed.
        unbuilt: of a change of SQL, columns that it gives and the view's table has not (``+name``), or the other way
            round (``-name``): dbt has not built the table since, so the plan knows no more of them.
        exposures: names of other dbt exposures that depend on the thing's model.
        training_sets: names of dbt models that make training sets of it.
    """

    kind: Kind
    what: What
    name: str
    field: str | None = None
    before: Json = None
    after: Json = None
    impact: Impact
    services: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    uncompiled: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    training_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """A view whose online rows are no longer what the definitions say.

    Attributes:
        view: ``view`` or ``view@v2``.
        reasons: why, in words.
        is_full: whether ``materialize --full`` is needed; else a plain ``materialize`` finds out by itself.
    """

    view: str
    reasons: tuple[str, ...]
    is_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlDiff:
    """How the SQL of one dbt model changed.

    Attributes:
        name, path: the model's, and its file's in the dbt project.
        views: the feature views that are made of it, itself among them; sorted.
        diff: a unified diff, lines without line feeds; empty where the text is the same and a macro or a seed's rows
            changed.
    """

    name: str
    path: str
    views: tuple[str, ...]
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is different between two versions.

    Attributes:
        changes: in the order project, entities, streams, views each with its features, services.
        resync: what must be synced again, by view.
        sql: models whose SQL changed, by name.
    """

    changes: tuple[Change, ...]
    resync: tuple[Resync, ...] = ()
    sql: tuple[SqlDiff, ...] = ()

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
        words = ("added", "changed", "removed", "breaking", "value-changing", "compatible", "cosmetic")
        return {word: sum(word in {change.kind, change.impact} for change in self.changes) for word in words}

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data: ``{"counts": {...}, "changes": [...], "resync": [...], "sql": [...]}``."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return {"counts": self.counts, **plain}
