"""Which feature services use which features: a service's references, resolved and turned round."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.references import Reference, parse_reference, select
from featurestore.errors import FeatureStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView

Uses = Mapping[str, Set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Names of services, by what they use; the methods return them sorted.

    Attributes:
        views: by ``view`` or ``view@v2``; any use.
        whole_views: by ``view`` or ``view@v2``; references to all its features.
        features: by ``view:feature``; references to this feature alone.
        unpinned: by a view's bare name; references that follow its latest version.
        entities: by entity; any use of a view of this entity.
        streams: by stream; any use of a view that is made of it.
    """

    views: Uses
    whole_views: Uses
    features: Uses
    unpinned: Uses
    entities: Uses
    streams: Uses

    def of_stream(self, name: str) -> tuple[str, ...]:
        """Services that use a view that is made of the stream."""
        return tuple(sorted(self.streams.get(name, ())))

    def of_entity(self, name: str) -> tuple[str, ...]:
        """Services that use a view of the entity."""
        return tuple(sorted(self.entities.get(name, ())))

    def of_view(self, reference: str) -> tuple[str, ...]:
        """Services that use the view ``view`` or ``view@v2``, or any feature of it."""
        return tuple(sorted(self.views.get(reference, ())))

    def of_feature(self, reference: str) -> tuple[str, ...]:
        """Services that use ``view:feature``, by its name or with the whole view."""
        view = reference.rpartition(":")[0]
        return tuple(sorted({*self.features.get(reference, ()), *self.whole_views.get(view, ())}))

    def of_latest(self, name: str) -> tuple[str, ...]:
        """Services that use whatever version of the view is the latest."""
        return tuple(sorted(self.unpinned.get(name, ())))


def usage_of(projects: Sequence[Project]) -> Usage:
    """Resolve the references of all services of these projects, each in its own, into one usage.

    A reference to a view that does not exist uses it by the name it is written with.
    """
    views: dict[str, set[str]] = {}
    whole_views: dict[str, set[str]] = {}
    features: dict[str, set[str]] = {}
    unpinned: dict[str, set[str]] = {}
    entities: dict[str, set[str]] = {}
    streams: dict[str, set[str]] = {}
    for service, reference, view in _references(projects):
        written = _written(reference, view)
        views.setdefault(written, set()).add(service)
        if reference.version is None:
            unpinned.setdefault(reference.view, set()).add(service)
        if reference.feature is None:
            whole_views.setdefault(written, set()).add(service)
        else:
            features.setdefault(f"{written}:{reference.feature}", set()).add(service)
        for entity in view.entities if view is not None else ():
            entities.setdefault(entity, set()).add(service)
        if view is not None and view.stream is not None:
            streams.setdefault(view.stream.source, set()).add(service)
    return Usage(
        views=views,
        whole_views=whole_views,
        features=features,
        unpinned=unpinned,
        entities=entities,
        streams=streams,
    )


def still_answered(before: Project, old: Sequence[str], after: Project, new: Sequence[str]) -> frozenset[str]:
    """Find the references that went while all that they answered stays, in its order, by means of other ones.

    Args:
        before: the definitions before.
        old: a service's references in them.
        after: the definitions now.
        new: the service's references in those.
    """
    was = {reference: _answers(before, reference) for reference in old}
    now = dict.fromkeys(answer for reference in new for answer in _answers(after, reference))
    kept = [answer for answer in dict.fromkeys(each for its in was.values() for each in its) if answer in now]
    if kept != [answer for answer in now if answer in set(kept)]:
        return frozenset()
    return frozenset(each for each, its in was.items() if each not in new and now.keys() >= set(its))


def _answers(project: Project, reference: str) -> tuple[tuple[str, ...], ...]:
    """What a reference answers: each feature of which version of a view, under which name, by which keys."""
    try:
        outputs = select(project, [reference], full_feature_names=True).outputs
    except FeatureStoreError:  # of a view that does not exist: what it answers is nobody else's
        return ((reference,),)
    return tuple((it.use.view.reference, it.name, *it.use.spine_keys) for it in outputs)


def _references(projects: Sequence[Project]) -> Iterator[tuple[str, Reference, FeatureView | None]]:
    """Yield each reference with the name of its service and the view it means."""
    parsed: dict[str, Reference] = {}
    for project in projects:
        views = {(view.name, view.version): view for view in project.views}
        latest = {view.name: view for view in project.views if view.is_latest}
        for service in project.services:
            for text in service.features:
                reference = parsed.get(text) or parsed.setdefault(text, parse_reference(text))
                pinned = views.get((reference.view, reference.version))
                yield service.name, reference, latest.get(reference.view) if reference.version is None else pinned


def _written(reference: Reference, view: FeatureView | None) -> str:
    if view is not None:
        return view.reference
    return reference.view if reference.version is None else f"{reference.view}@v{reference.version}"
