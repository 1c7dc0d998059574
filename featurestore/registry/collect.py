"""Removing old versions: all but the newest ones and those that a tag means, and the graphs that none is left of.

What is removed is written down first (``removed/<number>.json``), so that a gap in the numbers is known for what it is,
and a collection that was killed is finished by the next one. A version that a tag moved to meanwhile is put back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import OperationError, RegistryConflictError, RegistryCorruptError, UsageError
from featurestore.registry.author import Author
from featurestore.registry.document import decode_envelope
from featurestore.registry.graphs import graph_name
from featurestore.registry.tags import tags

if TYPE_CHECKING:
    from featurestore.registry.versions import Registry

FOLDER = "removed"
_BATCH = 10
_RECORD = re.compile(r"^(\d{10})\.json$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one collection removed.

    Attributes:
        versions: numbers, ascending.
        removed_at: when, UTC.
        removed_by: by whom.
    """

    versions: tuple[int, ...]
    removed_at: datetime
    removed_by: Author = field(default_factory=Author)


def removable(registry: Registry, *, keep: int, pin: str | None = None) -> tuple[int, ...]:
    """Name the versions that a collection would remove.

    Args:
        registry: whose.
        keep: how many of the newest stay; at least 1.
        pin: what readers are pinned to; where it is a number, that version stays too.

    Raises:
        UsageError: none would stay.
    """
    if keep < 1:
        raise UsageError(f"expected at least 1 version to keep, got {keep}", where="--keep")
    stay = _tagged(registry) | ({int(pin)} if pin is not None and pin.isdecimal() else set())
    return tuple(number for number in registry.numbers()[:-keep] if number not in stay)


def collect(registry: Registry, *, keep: int, author: Author, pin: str | None = None) -> tuple[int, ...]:
    """Remove old versions.

    Args:
        registry: whose.
        keep: how many of the newest stay, beside those that a tag means.
        author: who removes them.
        pin: as in `removable`.

    Returns:
        The numbers removed.

    Raises:
        RegistryConflictError: another collection is at work.
    """
    files = registry.files
    asked = removable(registry, keep=keep, pin=pin)
    if not asked:
        return ()
    _write_down(registry, asked, author)
    still = set(removable(registry, keep=keep, pin=pin))  # a tag may have been moved to one before it was written down
    going = [number for number in asked if number in still]
    graphs = _graphs(registry, going)
    gone: list[int] = []
    for start in range(0, len(going), _BATCH):
        gone += _remove(registry, going[start : start + _BATCH])
    for graph in graphs - _graphs(registry, registry.numbers()):
        files.delete(graph_name(graph))
    return tuple(gone)


def _remove(registry: Registry, numbers: Sequence[int]) -> list[int]:
    """Delete some versions; returns those that are gone.

    Who moves a tag looks whether its version is there before and after. Where it was deleted only then, nobody else
    would notice: it is put back.
    """
    files = registry.files
    data = {number: files.read(registry.file_of(number)) for number in numbers}
    for number in numbers:
        files.delete(registry.file_of(number))
    back = _tagged(registry) & data.keys()
    for number in back:
        files.create(registry.file_of(number), data[number] or b"")
    return [number for number in numbers if number not in back]


def _tagged(registry: Registry) -> set[int]:
    return {tag.version for tag in tags(registry.files) if tag.version is not None}


def removed_versions(registry: Registry) -> frozenset[int]:
    """Numbers of the versions that collections removed."""
    return frozenset(number for record in _records(registry) for number in record.versions)


def _records(registry: Registry) -> Iterable[Removal]:
    for name in _names(registry):
        data = registry.files.read(f"{FOLDER}/{name}")
        if data is not None:
            try:
                yield msgspec.json.decode(data, type=Removal)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                where = f"{registry.files.location}/{FOLDER}/{name}"
                hint = "move it away; the versions that it names will be called missing"
                raise RegistryCorruptError(
                    f"not a record of removed versions: {error}", where=where, hint=hint
                ) from error


def _names(registry: Registry) -> list[str]:
    return [name for name in registry.files.names(FOLDER) if _RECORD.match(name)]


def _write_down(registry: Registry, numbers: tuple[int, ...], author: Author) -> None:
    names = _names(registry)
    number = int(names[-1][:10]) + 1 if names else 1
    now = datetime.now(timezone.utc).replace(microsecond=0)
    record = Removal(versions=numbers, removed_at=now, removed_by=author)
    data = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    if not registry.files.create(f"{FOLDER}/{number:010d}.json", data):
        raise RegistryConflictError(
            "another collection of old versions came first",
            where=registry.files.location,
            hint="run the command again",
        )


def _graphs(registry: Registry, numbers: Iterable[int]) -> set[str]:
    """Hashes of the graphs of these versions; a version that cannot be read has none that we know."""
    found: set[str] = set()
    for number in numbers:
        name = registry.file_of(number)
        data = registry.files.read(name)
        if data is None:
            continue
        try:
            graph = decode_envelope(data, where=f"{registry.files.location}/{name}").graph
        except OperationError:
            continue
        found |= {graph} if graph else set()
    return found
