"""Fingerprints of what each node of the dbt graph gives, through all that it is made of (`sql.lineage.traced`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from featurestore.definitions.graph import Graph, from_the_top
from featurestore.impact.plain_sql import dotted, plain_sql
from featurestore.sql.lineage.traced import Traced, UntraceableError, fingerprint, opaque, trace

if TYPE_CHECKING:
    from featurestore.definitions.graph import GraphNode

_TELLS_APART = re.compile(r"\bgroup\s+by\b|\brow_number\b", re.IGNORECASE)
_ADDED = ("dbt_valid_from", "dbt_valid_to", "dbt_updated_at", "dbt_scd_id", "dbt_is_deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """The fingerprints of one version of the graph; each node is traced once, when it is asked for.

    Attributes:
        graph: what is traced.
        dialect: sqlglot's name of the warehouse.
        same: unique ids of what is the same in the version that this one is compared with, down to all it is made of:
            its name alone stands for it, and its SQL is not read.
        uncompiled: names of models of which only their text is known, since dbt has not compiled them; it grows.
    """

    graph: Graph
    dialect: str
    same: frozenset[str] = frozenset()
    uncompiled: set[str] = field(default_factory=set)
    _known: dict[str, Traced] = field(default_factory=dict)

    def of(self, unique_id: str) -> Traced:
        """The fingerprints of a node's rows and columns."""
        for each in from_the_top((unique_id,), self._unknown_parents):
            self._known.setdefault(each, self._traced(each))
        return self._known[unique_id]

    def _unknown_parents(self, unique_id: str) -> list[str]:
        if unique_id in self.same:
            return []
        return [each for each in self.graph.parent_ids(unique_id) if each not in self._known]

    def _traced(self, unique_id: str) -> Traced:
        node = self.graph.by_id.get(unique_id)
        if node is None or node.kind == "source":
            return opaque("table", unique_id)
        if unique_id in self.same:
            return replace(opaque("table", unique_id), keys=self._keys(node))
        if node.kind == "seed":
            return opaque("seed", unique_id, node.checksum)
        traced = self._followed(node)
        if traced is None:
            above = (self._known[each].whole for each in node.parents if each in self._known)
            return opaque("text", unique_id, node.checksum or node.sql, node.macros, *above)
        return _kept_over_time(node, traced) if node.kind == "snapshot" else traced

    def _keys(self, node: GraphNode) -> frozenset[str] | None:
        """What tells the rows of a node apart that is the same on both sides, as far as its own SQL alone says it."""
        if node.kind != "model" or not _TELLS_APART.search(node.sql):
            return None
        sql = plain_sql(node, tuple(self.graph.parents(node.unique_id)), dialect=self.dialect)
        if sql is None or sql.beside:
            return None
        try:
            return trace(sql.text, dialect=self.dialect, tables=lambda _name: None).keys
        except UntraceableError:
            return None

    def _followed(self, node: GraphNode) -> Traced | None:
        sql = plain_sql(node, tuple(self.graph.parents(node.unique_id)), dialect=self.dialect)
        if sql is None:
            if node.sql:
                self.uncompiled.add(node.name)
            return None
        tables = {name.casefold(): its for name, its in sql.tables.items()}
        built = dotted(node.relation, self.dialect) if node.relation else ""  # an incremental model reads it

        def table(name: str) -> Traced | None:
            if name.casefold() == built:
                return opaque("built before", node.unique_id)
            found = tables.get(name.casefold())
            return None if found is None else self._known.get(found)

        try:
            its = trace(sql.text, dialect=self.dialect, tables=table)
        except UntraceableError:
            return None
        if sql.beside:
            rows = fingerprint("beside", its.rows, sql.beside)
            its = replace(its, rows=rows, keys=None, numbered={})
        return its


def _kept_over_time(snapshot: GraphNode, now: Traced) -> Traced:
    """What a snapshot holds of what its SELECT gives `now`: a row more whenever what is watched changes.

    So those columns decide which rows there are, and the times that dbt adds; a key has several rows.
    """
    watched = [its for name in snapshot.watched if (its := now.column(name)) is not None]
    is_known = bool(watched) and len(watched) == len(snapshot.watched)
    rows = fingerprint("snapshot", now.rows, *watched) if is_known else fingerprint("snapshot", now.whole)
    added = {name: fingerprint("added", rows, name) for name in _ADDED}
    rest = fingerprint("added", rows) if now.rest is None else now.rest
    return Traced(rows=rows, columns={**now.columns, **added}, rest=rest)


def same_in_both(one: Graph, other: Graph) -> frozenset[str]:
    """Find the nodes that are the same in two versions, with everything they are made of."""
    hashes = _hashes(one), _hashes(other)
    return frozenset(each for each, found in hashes[0].items() if hashes[1].get(each) == found)


def _hashes(graph: Graph) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in from_the_top(graph.by_id, graph.parent_ids):
        node = graph.by_id.get(each)
        made_of = () if node is None else (node.checksum or node.sql, node.macros)
        found[each] = fingerprint(each, *made_of, *(found.get(parent, "") for parent in graph.parent_ids(each)))
    return found
