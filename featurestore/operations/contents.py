"""What an online store holds of a project: keys and bytes per view and set of rows, also where no view is left.

Keys are counted exactly, in one walk over the project's keys; bytes and tombstones are those of a sample.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from featurestore.errors import OnlineStoreError
from featurestore.online.codec import HEADER, HEADER_CELLS
from featurestore.online.keys import NO_VERSION, escape_name
from featurestore.online.state import ViewState, parse_state
from featurestore.operations.leases import Syncing, syncing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.project import Project
    from featurestore.online.protocol import OnlineStore

SAMPLED_KEYS = 1_000
_READ_AT_ONCE = 500
_STATE_NOTE = "view:"
_ENTITY = b":{"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetContents:
    """One set of rows of a view.

    Attributes:
        number: of the set (`online.state`).
        use: ``in use``, ``loading``, ``unfinished`` (loading, but nobody is at it), ``retired``, or ``orphan``: no view
            speaks of it.
        keys: how many there are, tombstones included.
        size_bytes: what they take in the store; of a sample, scaled up.
        tombstones: how many of the keys are deleted entities, likewise.
        sampled: how many keys were measured.
    """

    number: int
    use: str
    keys: int
    size_bytes: int
    tombstones: int
    sampled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewContents:
    """What the store holds of one view.

    Attributes:
        view: its reference.
        is_orphan: whether the registry has no such view that is online.
        sets: its sets of rows, the one in use first.
        synced_at: when its last sync ended, UTC; None if none did.
        watermark: newest event time synced, UTC.
        syncing: who is at work on its rows just now; None if nobody is.
        is_syncing_known: whether the store tells this user.
    """

    view: str
    is_orphan: bool
    sets: tuple[SetContents, ...] = ()
    synced_at: datetime | None = None
    watermark: datetime | None = None
    syncing: Syncing | None = None
    is_syncing_known: bool = True

    @property
    def keys(self) -> int:
        """Keys of all sets."""
        return sum(each.keys for each in self.sets)

    @property
    def size_bytes(self) -> int:
        """Bytes of all sets."""
        return sum(each.size_bytes for each in self.sets)

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        return {**asdict(self), "keys": self.keys, "size_bytes": self.size_bytes}


@dataclass(slots=True)
class _Found:
    """Keys of one set: how many, and a sample that each is in with the same chance."""

    keys: int = 0
    sample: list[bytes] = field(default_factory=list)


def contents(project: Project, store: OnlineStore, views: Sequence[str] | None = None) -> tuple[ViewContents, ...]:
    """Say what a store holds of a project.

    Args:
        project: the definitions.
        store: the online store, open.
        views: references; None for all that are online or that the store knows.

    Returns:
        The views of the registry in its order, then those it does not know.

    Raises:
        OnlineStoreError: the store cannot be reached.
    """
    online = [view.reference for view in project.views if view.online]
    states = stored_states(store)
    found = _walk(store, [project_prefix(project.name)] if views is None else _prefixes(project.name, views))
    known = dict.fromkeys((*online, *sorted({*states, *(reference for reference, _ in found)} - set(online))))
    wanted = tuple(known) if views is None else tuple(views)
    return tuple(
        _with_lease(_view(reference, reference not in online, states.get(reference, ViewState()), found, store), store)
        for reference in wanted
    )


def stored_states(store: OnlineStore) -> dict[str, ViewState]:
    """What the store's notes say of each view, by reference."""
    names = store.notes(_STATE_NOTE)
    return {name.removeprefix(_STATE_NOTE): parse_state(store.read_note(name)) for name in names}


def project_prefix(project: str) -> bytes:
    """What all keys of a project begin with."""
    return f"fs:{escape_name(project)}:".encode()


def view_prefixes(project: str, reference: str) -> tuple[bytes, bytes]:
    """What the keys of all sets of one view begin with: the first set, and the others."""
    name, version = split_reference(reference)
    head = f"fs:{escape_name(project)}:{escape_name(name)}@{escape_name(version or NO_VERSION)}"
    return f"{head}:{{".encode(), f"{head}+".encode()


def split_reference(reference: str) -> tuple[str, str | None]:
    """A view's name and version from its reference."""
    name, separator, version = reference.rpartition("@v")
    return (name, version) if separator else (reference, None)


def _prefixes(project: str, references: Iterable[str]) -> list[bytes]:
    return [prefix for reference in references for prefix in view_prefixes(project, reference)]


def _walk(store: OnlineStore, prefixes: Sequence[bytes]) -> dict[tuple[str, int], _Found]:
    """Count and sample the keys that begin so, by view and set."""
    rng = random.Random(0)  # noqa: S311 -- no secret is drawn
    found: dict[bytes, _Found] = {}
    for page in (page for prefix in prefixes for page in store.keys(prefix)):
        for key in page:
            head, separator, _ = key.partition(_ENTITY)
            if not separator:
                continue
            of_set = found.setdefault(head, _Found())
            of_set.keys += 1
            if len(of_set.sample) < SAMPLED_KEYS:
                of_set.sample.append(key)
            elif (place := rng.randrange(of_set.keys)) < SAMPLED_KEYS:
                of_set.sample[place] = key
    return {named: of_set for head, of_set in found.items() if (named := _set_of(head)) is not None}


def _set_of(head: bytes) -> tuple[str, int] | None:
    """Reference and number of the set whose keys begin with ``fs:project:view@version+n``."""
    name, _, numbered = head.decode(errors="replace").rpartition(":")[2].rpartition("@")
    version, _, number = numbered.partition("+")
    if not name or not (number or "0").isdecimal():
        return None
    plain, of_version = unquote(name), unquote(version)
    reference = plain if of_version == NO_VERSION else f"{plain}@v{of_version}"
    return reference, int(number or 0)


def _view(
    reference: str,
    is_orphan: bool,
    state: ViewState,
    found: dict[tuple[str, int], _Found],
    store: OnlineStore,
) -> ViewContents:
    uses = dict(_uses(state))
    numbers = dict.fromkeys((*uses, *sorted(number for name, number in found if name == reference)))
    return ViewContents(
        view=reference,
        is_orphan=is_orphan,
        sets=tuple(
            _measured(number, uses.get(number, "orphan"), found.get((reference, number), _Found()), store)
            for number in numbers
        ),
        synced_at=None if state.watermark is None else state.watermark.synced_at,
        watermark=None if state.watermark is None else state.watermark.event_time,
    )


def _with_lease(found: ViewContents, store: OnlineStore) -> ViewContents:
    """Add who is at work; a role that may read rows need not be one that may read leases."""
    try:
        at_work = syncing(store, found.view)
    except OnlineStoreError:
        return replace(found, is_syncing_known=False)
    if at_work is not None:
        return replace(found, syncing=at_work)
    idle = (replace(each, use="unfinished") if each.use == "loading" else each for each in found.sets)
    return replace(found, sets=tuple(idle))


def _uses(state: ViewState) -> Iterator[tuple[int, str]]:
    for each in state.sets:
        if not each.is_whole:
            yield each.number, "loading"
        else:
            yield each.number, "in use" if each.retired_at is None else "retired"


def _measured(number: int, use: str, found: _Found, store: OnlineStore) -> SetContents:
    size, tombstones, sampled = 0, 0, len(found.sample)
    for start in range(0, sampled, _READ_AT_ONCE):
        chunk = found.sample[start : start + _READ_AT_ONCE]
        size += sum(store.sizes(chunk))
        tombstones += Counter(map(_is_tombstone, store.fetch(chunk)))[True]
    scale = found.keys / sampled if sampled else 0.0
    return SetContents(
        number=number,
        use=use,
        keys=found.keys,
        size_bytes=round(size * scale),
        tombstones=round(tombstones * scale),
        sampled=sampled,
    )


def _is_tombstone(row: bytes | None) -> bool:
    return row is not None and len(row) >= HEADER.size and HEADER.unpack_from(row)[1] == HEADER_CELLS
