"""Where the nodes of a lineage stand: columns from the sources on the left to their readers on the right.

A node stands as far right as its readers allow, so that edges are short; those that only read have the last column.
Within a column the order is that of the neighbours' mean place (barycenter), by a fixed number of sweeps. An edge over
several columns passes each at a place of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from featurestore.catalog.lineage import ENDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.catalog.lineage import Lineage

_SWEEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns and places.

    Attributes:
        columns: ids from top to bottom, by column; what is no node is a place where an edge passes.
        routes: for each edge, all it passes, from its first node to its last.
    """

    columns: tuple[tuple[str, ...], ...] = ()
    routes: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def layout(lineage: Lineage) -> Layout:
    """Place the nodes; the same lineage gives the same layout."""
    column = _columns(lineage)
    count = max(column.values(), default=-1) + 1
    columns: list[list[str]] = [[] for _ in range(count)]
    for node in sorted(lineage.nodes, key=lambda node: (node.role, node.name)):
        columns[column[node.id]].append(node.id)
    routes: dict[tuple[str, str], tuple[str, ...]] = {}
    for parent, child in lineage.edges:
        between = range(column[parent] + 1, column[child])
        passed = [f"{parent} -> {child} {number}" for number in between]
        for number, place in zip(between, passed, strict=True):
            columns[number].append(place)
        routes[parent, child] = (parent, *passed, child)
    _order(columns, list(routes.values()))
    return Layout(columns=tuple(map(tuple, columns)), routes=routes)


def _columns(lineage: Lineage) -> dict[str, int]:
    """The column of each node, by id, from 0."""
    height: dict[str, int] = {}
    for each in _readers_first(lineage):
        least = 0 if lineage.by_id[each].role in ENDS else 1
        height[each] = max([least, *(height.get(child, 0) + 1 for child in lineage.children.get(each, ()))])
    last = max(height.values(), default=0)
    return {each: last - its for each, its in height.items()}


def _readers_first(lineage: Lineage) -> Iterator[str]:
    """Yield each node after all that read it."""
    waiting = {node.id: len(lineage.children.get(node.id, ())) for node in lineage.nodes}
    ready = [each for each, count in waiting.items() if not count]
    while ready:
        each = ready.pop()
        yield each
        for parent in lineage.parents.get(each, ()):
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)


def _order(columns: list[list[str]], routes: list[tuple[str, ...]]) -> None:
    """Order each column by where its neighbours stand, from the left, then from the right, and again."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for route in routes:
        for one, other in pairwise(route):
            after.setdefault(one, []).append(other)
            before.setdefault(other, []).append(one)
    for sweep in range(_SWEEPS):
        from_left = sweep % 2 == 0
        for column in columns if from_left else reversed(columns):
            column[:] = _by_mean(column, before if from_left else after, columns)


def _by_mean(column: list[str], neighbours: Mapping[str, list[str]], columns: list[list[str]]) -> list[str]:
    """Order a column by the mean place of its neighbours; who has none stays about where it is."""
    place = {each: number / max(1, len(own) - 1) for own in columns for number, each in enumerate(own)}

    def mean(each: str) -> float:
        places = [place[other] for other in neighbours.get(each, ())]
        return sum(places) / len(places) if places else place[each]

    return sorted(column, key=mean)
