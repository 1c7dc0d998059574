"""Remove rows for good: one entity from all views, or one view; no tombstone stays.

No sync of a view runs meanwhile: its lease is taken first. Order of effects of a drop: the state, so that the next sync
is a full one; the rows; the layouts that say how to read them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.views import Column, FeatureView
from featurestore.errors import UsageError, did_you_mean
from featurestore.materialize.lease import SyncLease
from featurestore.materialize.row_sets import remove_rows
from featurestore.online.keys import NO_VERSION, entity_key, key_prefix, key_text
from featurestore.online.state import FIRST_SET, join_keys_of, state_note
from featurestore.operations.contents import split_reference, stored_states, view_prefixes
from featurestore.operations.sides import unknown_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.definitions.project import Project
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import JoinKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, or would be.

    Attributes:
        view: the view's reference.
        rows: how many.
        is_orphan: whether the registry has no such view.
    """

    view: str
    rows: int
    is_orphan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedEntity:
    """What was removed of one entity, or would be.

    Attributes:
        views: one per view that has these join keys, rows of all its sets together.
        others: references of views that have these join keys and more, so that rows of the entity may stay there.
    """

    views: tuple[Removed, ...]
    others: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all views."""
        return sum(view.rows for view in self.views)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One set of rows."""

    view: FeatureView
    row_set: int
    join_keys: JoinKeys
    is_orphan: bool
    is_noted: bool


def delete_entity(
    project: Project, store: OnlineStore, entity: Mapping[str, object], *, dry_run: bool = False, wait_s: float = 0.0
) -> RemovedEntity:
    """Remove an entity's rows from all views that have exactly these join keys, from all their sets of rows.

    Args:
        project: the definitions; views that only the store knows are looked at too.
        store: the online store, open.
        entity: a value per join key.
        dry_run: count only.
        wait_s: how long to wait for a sync of one of the views to end.

    Raises:
        UsageError: no view has these join keys, or a value is not of its key's type.
        OperationError: one of the views is being synced; nothing was removed.
        OnlineStoreError: the store cannot be reached.
    """
    places = tuple(_places(project, store))
    names = set(entity)
    exact = [place for place in places if {name for name, _ in place.join_keys} == names]
    if not entity or not exact:
        known = sorted({", ".join(name for name, _ in place.join_keys) for place in places if place.join_keys})
        raise UsageError(
            f"no feature view has exactly the join keys {', '.join(entity) or '(none)'}",
            hint=did_you_mean(", ".join(entity), known),
        )
    keys = [_key_of(project, place, entity) for place in exact]
    sizes = [store.sizes([key])[0] for key in keys]
    rows = Counter({place.view.reference: 0 for place in exact})
    with ExitStack() as leases:
        if not dry_run:
            held = {place.view.reference for place, size in zip(exact, sizes, strict=True) if size or place.is_noted}
            for reference in sorted(held):
                leases.enter_context(SyncLease(store, reference, wait_s=wait_s))
        for place, key, size in zip(exact, keys, sizes, strict=True):
            # Deleted also where nothing is to be seen: what has expired may still lie in a file.
            rows[place.view.reference] += int(size > 0) if dry_run else store.delete([key])
    orphans = {place.view.reference for place in exact if place.is_orphan}
    more = {place.view.reference for place in places if {name for name, _ in place.join_keys} > names}
    return RemovedEntity(
        views=tuple(Removed(view=name, rows=count, is_orphan=name in orphans) for name, count in rows.items()),
        others=tuple(sorted(more)),
    )


def drop_view(project: Project, store: OnlineStore, reference: str, *, wait_s: float = 0.0) -> Removed:
    """Remove all rows of a view and the notes about it; the definitions stay as they are.

    Args:
        project: the definitions; a view that only the store knows can be dropped too.
        store: the online store, open.
        reference: ``view`` or ``view@v2``; without a version, the only one.
        wait_s: how long to wait for a sync of the view to end.

    Raises:
        UnknownNameError: neither the registry nor the store knows it.
        UsageError: it may mean several versions.
        OperationError: it is being synced; nothing was removed.
        OnlineStoreError: the store cannot be reached.
    """
    view, is_orphan = find_view(project, store, reference)
    prefixes = view_prefixes(project.name, view.reference)
    if not _notes(store, view) and not any(next(store.keys(prefix), []) for prefix in prefixes):
        return Removed(view=view.reference, rows=0, is_orphan=is_orphan)
    with SyncLease(store, view.reference, wait_s=wait_s) as lease:
        _forget(store, state_note(view))
        rows = 0
        for prefix in prefixes:
            lease.check()
            rows += remove_rows(store, prefix)
        for note in _notes(store, view):
            _forget(store, note)
    return Removed(view=view.reference, rows=rows, is_orphan=is_orphan)


def find_view(project: Project, store: OnlineStore, reference: str) -> tuple[FeatureView, bool]:
    """Find a view in the registry, else in the store; says whether only the store knows it.

    Args:
        project: the definitions.
        store: the online store, open.
        reference: exact; or a name without a version, which means the one version that the two know.

    Raises:
        UnknownNameError: neither knows it; names what is near.
        UsageError: it may mean several versions; names them.
    """
    defined = {view.reference: view for view in project.views}
    if reference in defined:
        return defined[reference], False
    states = stored_states(store)
    view = _by_name(reference)
    if reference in states or _notes(store, view):
        return view, True
    if any(next(store.keys(prefix), []) for prefix in view_prefixes(project.name, reference)):
        return view, True
    versions = sorted(known for known in {*defined, *states} if split_reference(known)[0] == reference)
    if len(versions) > 1:
        hint = f"name one: {', '.join(versions)}"
        raise UsageError(f"'{reference}' may mean {len(versions)} versions of a feature view", hint=hint)
    if versions:
        (only,) = versions
        return defined.get(only) or _by_name(only), only not in defined
    raise unknown_view(reference, sorted({*defined, *states}))


def _places(project: Project, store: OnlineStore) -> Iterator[_Place]:
    """Every set of rows that there is or may be."""
    states = stored_states(store)
    known = {view.reference: view for view in project.views}
    for reference in dict.fromkeys((*known, *states)):
        view = known.get(reference)
        seen = {(each.number, each.join_keys) for each in states[reference].sets} if reference in states else set()
        if view is not None:
            seen.add((FIRST_SET, join_keys_of(view)))
        for number, join_keys in sorted(seen):
            yield _Place(
                view=_by_name(reference) if view is None else view,
                row_set=number,
                join_keys=join_keys,
                is_orphan=view is None,
                is_noted=reference in states,
            )


def _key_of(project: Project, place: _Place, entity: Mapping[str, object]) -> bytes:
    texts = [_text(entity[name], Column(name=name, type=kind)) for name, kind in place.join_keys]
    return entity_key(key_prefix(project.name, place.view, place.row_set), texts)


def _text(value: object, column: Column) -> str:
    """The value's text in a key; a set of rows from before may have had its key as text."""
    if column.type == "string" and isinstance(value, int):
        value = str(value)
    if column.type == "bytes" and isinstance(value, str):
        value = _bytes(value, column)
    text = key_text(value, column)
    if text is None:
        raise UsageError("expected a value, got none", where=f"join key '{column.name}'", hint="NULL has no rows")
    return text


def _bytes(text: str, column: Column) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UsageError(f"expected bytes in hexadecimal, got {text!r}", where=f"join key '{column.name}'") from error


def _by_name(reference: str) -> FeatureView:
    """A view of which nothing but the name is known."""
    name, version = split_reference(reference)
    nothing = Column(name="", type="timestamp")
    return FeatureView(name=name, version=version, relation="", event_time=nothing)


def _notes(store: OnlineStore, view: FeatureView) -> Sequence[str]:
    """Names of the notes about a view: its state and its layouts."""
    layouts = store.notes(f"layout:{view.name}@{view.version or NO_VERSION}:")
    state = state_note(view)
    return [*([state] if store.read_note(state) is not None else []), *layouts]


def _forget(store: OnlineStore, note: str) -> None:
    """Remove a note, whatever it says."""
    while not store.swap_note(note, store.read_note(note), None):
        pass
