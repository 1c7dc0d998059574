"""Whose values a change of SQL changes: a view's own SQL, a macro, or anything it is made of, however far up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.registry.diff import Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.graph import Graph, GraphNode
    from featurestore.definitions.views import FeatureView
    from featurestore.impact.tracing import Tracing
    from featurestore.sql.lineage.traced import Traced

_TABLES = frozenset(("model", "snapshot", "seed"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions of the dbt graph; None stands for one that was not kept."""

    before: Tracing | None
    after: Tracing | None

    def touched(self, old: FeatureView, new: FeatureView) -> Touched:
        """Say which features of a view may have other values, and through what.

        Args:
            old: the view before.
            new: the view now; its SQL, or that of something above it, is another.

        Returns:
            The features that are on both sides and may have other values: all of them where nothing closer is known;
            none where the SQL was written anew and says the same.
        """
        both = tuple(feature.name for feature in new.features if feature.name in {each.name for each in old.features})
        if self.before is None or self.after is None:
            return Touched(features=both)
        through = tuple(sorted(node.name for node in self.changed(old, new)))
        before, after = self.before.of(old.source.unique_id), self.after.of(new.source.unique_id)
        special = {*(column.name for column in new.known_by), *new.tie_breakers}
        special |= {new.valid_to.name} if new.valid_to is not None else set()
        is_all = before.rows != after.rows or any(_differ(before, after, name) for name in special)
        features = both if is_all else tuple(name for name in both if _differ(before, after, name))
        uncompiled = (self.before.uncompiled | self.after.uncompiled).intersection((new.reference, *through))
        unbuilt = _unbuilt(before, old, after, new)
        return Touched(features=features, through=through, uncompiled=tuple(sorted(uncompiled)), unbuilt=unbuilt)

    def changed(self, old: FeatureView, new: FeatureView) -> Iterator[GraphNode]:
        """The nodes above a view whose SQL, rows or macros are others, or that are above it on one side only."""
        if self.before is None or self.after is None:
            return
        before, after = _above(self.before.graph, old), _above(self.after.graph, new)
        for unique_id in before.keys() | after.keys():
            one, other = before.get(unique_id), after.get(unique_id)
            if one is None or other is None or _made_of(one) != _made_of(other):
                node = other or one
                assert node is not None
                yield node

    def values_differ(self, unique_id: str) -> bool:
        """Whether a model on both sides may give other rows or values."""
        if self.before is None or self.after is None:
            return True
        if unique_id not in self.before.graph.by_id or unique_id not in self.after.graph.by_id:
            return True
        return self.before.of(unique_id).whole != self.after.of(unique_id).whole


def _differ(before: Traced, after: Traced, name: str) -> bool:
    """Whether a column may have other values; also where its SQL does not say how it is called."""
    one = before.column(name)
    return one is None or one != after.column(name)


def _unbuilt(before: Traced, old: FeatureView, after: Traced, new: FeatureView) -> tuple[str, ...]:
    """Columns that a view gains or loses when dbt builds it; gains only where all that its SQL gives are features."""
    names = _names(after)
    if names is None:
        return ()
    lost = {column.name for column in new.row_columns if column.name.casefold() not in names}
    own = {column.name.casefold() for column in old.row_columns}
    was = _names(before)
    gained = names - was - {column.name.casefold() for column in new.row_columns} if was and was <= own else set()
    return (*(f"+{name}" for name in sorted(gained)), *(f"-{name}" for name in sorted(lost)))


def _names(traced: Traced) -> set[str] | None:
    """Names of all columns; None where one has no certain name."""
    is_certain = traced.rest is None and all(name.isidentifier() for name in traced.columns)
    return set(traced.columns) if is_certain else None


def _above(graph: Graph, view: FeatureView) -> dict[str, GraphNode]:
    ids = graph.above((view.source.unique_id,)) - {view.source.unique_id}
    return {each: graph.by_id[each] for each in ids if each in graph.by_id and graph.by_id[each].kind in _TABLES}


def _made_of(node: GraphNode) -> tuple[str, str]:
    return node.checksum, node.macros
