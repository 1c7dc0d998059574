"""What an apply would change: every change named, classed, and with the feature services that feel it.

Definitions are equal when their bytes are (SEMANTICS R4), so a plan is empty exactly when an apply would create
nothing. What a change of each field means stands in `classify`. What a change of SQL means for values is asked of the
caller, who may trace it (`impact`); without an answer all of a view's features count as changed.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import msgspec

from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.streams import Stream
from featurestore.definitions.views import Feature, FeatureView, Json
from featurestore.registry.classify import (
    ENTITY_RULES,
    FEATURE_RULES,
    PROJECT_RULES,
    SERVICE_RULES,
    STREAM_RULES,
    VIEW_RULES,
    FieldRule,
    Thing,
)
from featurestore.registry.plan import Change, Plan, What
from featurestore.registry.usage import Usage, still_answered, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sort(Generic[Thing]):
    """How things of one sort are told apart, summed up and compared."""

    what: What
    name: Callable[[Thing], str]
    summary: Callable[[Thing], Json]
    rules: tuple[FieldRule[Thing], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a change of SQL does to a view on both sides.

    Attributes:
        features: names of its features that may have other values.
        through: names of the models, snapshots and seeds above it that changed.
        uncompiled: names of models of which only compiled SQL would say more.
        unbuilt: columns that the SQL gives and the view has not (``+name``), or the other way round (``-name``).
    """

    features: tuple[str, ...]
    through: tuple[str, ...] = ()
    uncompiled: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()


Touch = Callable[[FeatureView, FeatureView], Touched]


def touch_all(_old: FeatureView, new: FeatureView) -> Touched:
    """Say that all of a view's features may have other values: right where nothing closer is known."""
    return Touched(features=tuple(feature.name for feature in new.features))


_ENCODER = msgspec.json.Encoder(order="deterministic")
_PROJECTS: _Sort[Project] = _Sort(what="project", name=lambda _: "", summary=lambda it: it.name, rules=PROJECT_RULES)
_ENTITIES: _Sort[Entity] = _Sort(
    what="entity", name=lambda it: it.name, summary=lambda it: list(it.join_keys), rules=ENTITY_RULES
)
_VIEWS: _Sort[FeatureView] = _Sort(
    what="view",
    name=lambda it: it.reference,
    summary=lambda it: [feature.name for feature in it.features],
    rules=VIEW_RULES,
)
_FEATURES: _Sort[Feature] = _Sort(
    what="feature", name=lambda it: it.name, summary=lambda it: it.type, rules=FEATURE_RULES
)
_SERVICES: _Sort[FeatureService] = _Sort(
    what="service", name=lambda it: it.name, summary=lambda it: list(it.features), rules=SERVICE_RULES
)
_STREAMS: _Sort[Stream] = _Sort(
    what="stream",
    name=lambda it: it.name,
    summary=lambda it: [column.name for column in it.columns],
    rules=STREAM_RULES,
)


def diff(before: Project | None, after: Project, *, touched: Touch = touch_all) -> Plan:
    """Say what changes from one version of the definitions to another.

    Args:
        before: the newest version's definitions; None when there is none.
        after: the definitions to be applied.
        touched: says which features a change of SQL gives other values.

    Returns:
        The plan; empty exactly when both have the same canonical bytes.
    """
    old = (before,) if before is not None else ()
    usage = usage_of((*old, after))
    return Plan(changes=tuple(_changes(old, after, usage, touched)))


def _changes(old: tuple[Project, ...], after: Project, usage: Usage, touched: Touch) -> Iterator[Change]:
    yield from _compare(_PROJECTS, old, (after,), lambda _: (), prefix=after.name)
    entities = [entity for project in old for entity in project.entities]
    yield from _compare(_ENTITIES, entities, after.entities, usage.of_entity)
    streams = [stream for project in old for stream in project.streams]
    yield from _compare(_STREAMS, streams, after.streams, usage.of_stream)
    views = [view for project in old for view in project.views]
    yield from _view_changes(views, after.views, usage, touched)
    services = [service for project in old for service in project.services]
    yield from _compare(_SERVICES, services, after.services, lambda name: (name,))
    for name, one, other in _pairs(_SERVICES, services, after.services):
        if one is not None and other is not None and one.features != other.features:
            still = still_answered(old[0], one.features, after, other.features)
            yield from _reference_changes(name, one.features, other.features, still)


def _view_changes(
    before: Sequence[FeatureView], after: Sequence[FeatureView], usage: Usage, touched: Touch
) -> Iterator[Change]:
    for name, old, new in _pairs(_VIEWS, before, after):
        yield from _compare(_VIEWS, [old] if old else [], [new] if new else [], usage.of_view)
        if old is None or new is None:
            continue
        yield from _sql_change(name, old, new, usage, touched)
        if not _is_same(old.features, new.features):
            prefix = f"{name}:"
            yield from _compare(_FEATURES, old.features, new.features, usage.of_feature, prefix=prefix)
            yield from _feature_order(name, old, new, usage.of_view(name))
    yield from _latest_changes(before, after, usage)


def _sql_change(name: str, old: FeatureView, new: FeatureView, usage: Usage, touched: Touch) -> Iterator[Change]:
    """Compare what makes a view's rows: its own SQL, else what that is made of; one change for both."""
    is_own = old.source.checksum != new.source.checksum
    if not is_own and old.source.upstream == new.source.upstream:
        return
    is_first = not is_own and not old.source.upstream  # an older document did not keep it
    what = Touched(features=()) if is_first else touched(old, new)
    users = {service for feature in what.features for service in usage.of_feature(f"{name}:{feature}")}
    yield Change(
        kind="changed",
        what="view",
        name=name,
        field="sql" if is_own else "upstream",
        before=old.source.checksum if is_own else old.source.upstream,
        after=new.source.checksum if is_own else new.source.upstream,
        impact="compatible" if is_first else "value-changing" if what.features else "cosmetic",
        services=tuple(sorted(users)),
        features=what.features,
        through=what.through,
        uncompiled=what.uncompiled,
        unbuilt=what.unbuilt,
    )


def _feature_order(name: str, old: FeatureView, new: FeatureView, services: tuple[str, ...]) -> Iterator[Change]:
    """Notice another order: whole views come out in it, and without tie breakers it breaks ties (SEMANTICS P4)."""
    old_names, new_names = _kept([it.name for it in old.features], [it.name for it in new.features])
    if old_names != new_names:
        yield Change(
            kind="changed",
            what="view",
            name=name,
            field="feature_order",
            before=old_names,
            after=new_names,
            impact="breaking",
            services=services,
        )


def _latest_changes(before: Sequence[FeatureView], after: Sequence[FeatureView], usage: Usage) -> Iterator[Change]:
    """Notice that a view's bare name means another version; a view added or removed whole is said elsewhere."""
    old_latest = {view.name: view.reference for view in before if view.is_latest}
    new_latest = {view.name: view.reference for view in after if view.is_latest}
    for name in sorted({view.name for view in before} & {view.name for view in after}):
        old, new = old_latest.get(name), new_latest.get(name)
        if old != new:
            yield Change(
                kind="changed",
                what="view",
                name=name,
                field="latest",
                before=old,
                after=new,
                impact="breaking" if old is not None else "compatible",
                services=usage.of_latest(name),
            )


def _reference_changes(name: str, before: tuple[str, ...], after: tuple[str, ...], still: Set[str]) -> Iterator[Change]:
    """Compare a service's references: each one gone or new, and the order of those that stayed.

    Those in `still` are gone, and what they answered is not: the same version is named now, or the whole view.
    """
    for reference in dict.fromkeys((*before, *after)):
        if (reference in before) != (reference in after):
            yield Change(
                kind="changed",
                what="service",
                name=name,
                field="features",
                before=reference if reference in before else None,
                after=reference if reference in after else None,
                impact="breaking" if reference in before and reference not in still else "compatible",
                services=(name,),
            )
    old, new = _kept(before, after)
    if old != new:
        is_same_order = list(dict.fromkeys(old)) == list(dict.fromkeys(new))
        yield Change(
            kind="changed",
            what="service",
            name=name,
            field="feature_order",
            before=old,
            after=new,
            impact="cosmetic" if is_same_order else "breaking",
            services=(name,),
        )


def _compare(
    sort: _Sort[Thing],
    before: Sequence[Thing],
    after: Sequence[Thing],
    users: Callable[[str], tuple[str, ...]],
    *,
    prefix: str = "",
) -> Iterator[Change]:
    for own_name, old, new in _pairs(sort, before, after):
        name = prefix + own_name
        if old is not None and new is not None:
            if not _is_same(old, new):
                yield from _field_changes(sort, old, new, name, users(name))
        elif new is not None:
            yield Change(
                kind="added",
                what=sort.what,
                name=name,
                after=sort.summary(new),
                impact="compatible",
                services=users(name),
            )
        elif old is not None:
            yield Change(
                kind="removed",
                what=sort.what,
                name=name,
                before=sort.summary(old),
                impact="breaking",
                services=users(name),
            )


def _field_changes(
    sort: _Sort[Thing], old: Thing, new: Thing, name: str, services: tuple[str, ...]
) -> Iterator[Change]:
    for rule in sort.rules:
        before, after = rule.read(old), rule.read(new)
        if not _is_same(before, after):
            yield Change(
                kind="changed",
                what=sort.what,
                name=name,
                field=rule.field,
                before=before,
                after=after,
                impact=rule.impact(old, new),
                services=services,
            )


def _pairs(
    sort: _Sort[Thing], before: Sequence[Thing], after: Sequence[Thing]
) -> Iterator[tuple[str, Thing | None, Thing | None]]:
    """Match things by name, sorted; None stands where there is none."""
    old = {sort.name(thing): thing for thing in before}
    new = {sort.name(thing): thing for thing in after}
    for name in sorted(old.keys() | new.keys()):
        yield name, old.get(name), new.get(name)


def _kept(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Leave only what is on both sides, each in its own order."""
    both = set(before) & set(after)
    return [name for name in before if name in both], [name for name in after if name in both]


def _is_same(before: object, after: object) -> bool:
    """Compare as the registry does, by bytes: 1, 1.0 and true are three values."""
    return before is after or _ENCODER.encode(before) == _ENCODER.encode(after)
