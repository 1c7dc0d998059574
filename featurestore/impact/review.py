"""A plan that a reviewer can believe: what changes, what that does to values, whom it hits, what to sync again."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.impact.touched import Comparison
from featurestore.impact.tracing import Tracing, same_in_both
from featurestore.registry.diff import diff
from featurestore.registry.document import content_bytes
from featurestore.registry.plan import Change, Plan, Resync, SqlDiff

if TYPE_CHECKING:
    from featurestore.definitions.graph import Graph, GraphNode
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView

_KEYS = ("entities", "join_keys")
_TIMES = ("event_time", "created_at", "valid_to", "tie_breakers")
_FELT = ("ttl", "type")
"""What makes another training set although nothing breaks: a row that had expired is in it, a number is wider."""
_CONTEXT_LINES = 3


def review(before: Project | None, after: Project, *, old: Graph | None, new: Graph | None) -> Plan:
    """Compare two versions of the definitions and of the dbt graph around them.

    Args:
        before: as for `registry.diff.diff`.
        after: likewise.
        old: the graph that `before` came with; None for one that was not kept. Then less is known: a change of SQL
            counts for all features.
        new: the graph that `after` came with.

    Returns:
        The plan, with what of dbt each change hits, what must be synced again, and how the SQL changed.
    """
    if before is not None and before == after and content_bytes(before) == content_bytes(after):
        return Plan(changes=())
    same = frozenset() if old is None or new is None else same_in_both(old, new)
    comparison = Comparison(
        before=None if old is None or before is None else Tracing(graph=old, dialect=before.dialect, same=same),
        after=None if new is None else Tracing(graph=new, dialect=after.dialect, same=same),
    )
    plan = diff(before, after, touched=comparison.touched)
    readers = _Readers(before, after, comparison)
    changes = tuple(readers.named(change) for change in plan.changes)
    return Plan(
        changes=changes,
        resync=tuple(_resyncs(before, after, changes)),
        sql=tuple(_sql_diffs(before, after, comparison)),
    )


class _Readers:
    """Who reads the models of things that change, on either side."""

    def __init__(self, before: Project | None, after: Project, comparison: Comparison) -> None:
        self._comparison = comparison
        self._graphs = [it.graph for it in (comparison.before, comparison.after) if it is not None]
        self._services = {each.unique_id for it in (before, after) if it is not None for each in it.services}
        self._views: dict[str, set[str]] = {}
        for view in (each for it in (before, after) if it is not None for each in it.views):
            names = {("view", view.reference), ("view", view.name)} if view.is_latest else {("view", view.reference)}
            for what, name in (*names, *(("entity", entity) for entity in view.entities)):
                self._views.setdefault(f"{what} {name}", set()).add(view.source.unique_id)

    def named(self, change: Change) -> Change:
        """Name the exposures and training sets that a change hits; an addition and a cosmetic one hit none."""
        is_felt = change.impact in {"breaking", "value-changing"} or (
            change.impact == "compatible" and change.field in _FELT
        )
        if change.kind == "added" or not is_felt:
            return change
        name = change.before if change.field == "latest" else change.name.partition(":")[0]
        models = self._views.get(f"{'entity' if change.what == 'entity' else 'view'} {name}", set())
        exposures: set[str] = set()
        training_sets: set[str] = set()
        for node in self._below(models):
            if node.kind == "exposure":
                if node.unique_id not in self._services and change.impact != "compatible":
                    exposures.add(node.name)
            elif node.is_training_set and self._feels(change, node):
                training_sets.add(node.name)
        return replace(change, exposures=tuple(sorted(exposures)), training_sets=tuple(sorted(training_sets)))

    def _feels(self, change: Change, node: GraphNode) -> bool:
        return change.impact != "value-changing" or self._comparison.values_differ(node.unique_id)

    def _below(self, models: Iterable[str]) -> Iterator[GraphNode]:
        for graph in self._graphs:
            yield from (graph.by_id[each] for each in graph.below(models))


def _resyncs(before: Project | None, after: Project, changes: Iterable[Change]) -> Iterator[Resync]:
    """Say which online views must be synced again; none where nothing was applied before."""
    if before is None:
        return
    old = {view.reference: view for view in before.views}
    by_view: dict[str, list[Change]] = {}
    for change in changes:
        if change.what == "view" and change.kind == "changed":
            by_view.setdefault(change.name, []).append(change)
    for view in after.views:
        if view.online:
            its = by_view.get(view.reference, [])
            reasons = [*_reasons(old.get(view.reference), view, its), *_value_reasons(its)]
            if reasons:
                is_full = any(change.impact == "value-changing" for change in its)
                yield Resync(view=view.reference, reasons=tuple(reasons), is_full=is_full)


def _reasons(old: FeatureView | None, new: FeatureView, changes: list[Change]) -> Iterator[str]:
    fields = {change.field for change in changes}
    if old is None or not old.online:
        yield "it is not online yet"
        return
    if old.fingerprint != new.fingerprint:
        yield "its rows hold other columns"
    if fields.intersection(_KEYS):
        yield "its keys are others"
    if fields.intersection(_TIMES):
        yield "its newest rows may be others"
    if old.ttl_us != new.ttl_us and old.ttl_us is not None and (new.ttl_us is None or new.ttl_us > old.ttl_us):
        yield "rows that had expired are used again"


def _value_reasons(changes: list[Change]) -> Iterator[str]:
    for change in changes:
        if change.impact == "value-changing":
            yield f"other values of {', '.join(change.features)}"


def _sql_diffs(before: Project | None, after: Project, comparison: Comparison) -> Iterator[SqlDiff]:
    """How the SQL of each changed model reads now; what is new or gone as a whole is no change."""
    if before is None or comparison.before is None or comparison.after is None:
        return
    old = {view.reference: view for view in before.views}
    views_of: dict[str, set[str]] = {}
    for view in after.views:
        was = old.get(view.reference)
        if was is None or was.source == view.source:
            continue
        for node in comparison.changed(was, view):
            views_of.setdefault(node.unique_id, set()).add(view.reference)
        if was.source.checksum != view.source.checksum:
            views_of.setdefault(view.source.unique_id, set()).add(view.reference)
    graphs = comparison.before.graph.by_id, comparison.after.graph.by_id
    for unique_id in sorted(views_of):
        one, other = (graph.get(unique_id) for graph in graphs)
        known = other or one
        if known is not None:
            views = tuple(sorted(views_of[unique_id]))
            yield SqlDiff(name=known.name, path=known.path, views=views, diff=_diff(one, other))


def _diff(one: GraphNode | None, other: GraphNode | None) -> tuple[str, ...]:
    before, after = ((node.sql if node is not None else "").splitlines() for node in (one, other))
    return tuple(difflib.unified_diff(before, after, lineterm="", n=_CONTEXT_LINES))[2:]
