"""Tags: names such as ``prod`` for versions. A tag moves, and where it was before stays written.

Shape: ``tags/<tag>/<number>.json``, one small document per move, created once and never changed; the newest says what
the tag means. Two movers never lose a move: the second one is told (SEMANTICS R1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import RegistryConflictError, RegistryCorruptError, UsageError, unknown_name
from featurestore.registry.author import Author

if TYPE_CHECKING:
    from featurestore.registry.files.protocol import RegistryFiles

FOLDER = "tags"
_TAG = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,62}$", re.ASCII)
_MOVE = re.compile(r"^(\d{10})\.json$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One move of a tag.

    Attributes:
        tag: its name.
        move: 1, 2, 3 ...
        version: what it means from then on; None where it was removed.
        moved_at: when, UTC.
        moved_by: by whom.
    """

    tag: str
    move: int
    version: int | None
    moved_at: datetime
    moved_by: Author = field(default_factory=Author)


def tags(files: RegistryFiles) -> tuple[Tag, ...]:
    """Read what each tag means now, sorted by name; removed ones are left out."""
    found = (newest_move(files, name) for name in files.folders(FOLDER) if _TAG.match(name))
    return tuple(tag for tag in found if tag is not None and tag.version is not None)


def tag_history(files: RegistryFiles, name: str) -> tuple[Tag, ...]:
    """Read all moves of a tag, oldest first. Raises UnknownNameError if there never was one of this name."""
    check_tag(name)
    moves = tuple(_read(files, name, number) for number in _moves(files, name))
    if not moves:
        raise _unknown(files, name)
    return moves


def tagged_version(files: RegistryFiles, name: str) -> int:
    """Find the version that a tag means. Raises UnknownNameError with near names."""
    tag = newest_move(files, name)
    if tag is None or tag.version is None:
        raise _unknown(files, name)
    return tag.version


def move_tag(files: RegistryFiles, name: str, version: int | None, author: Author) -> Tag | None:
    """Let a tag mean a version, or nothing.

    Args:
        files: the registry's place.
        name: of the tag; it need not be there yet.
        version: a version that is there; None removes the tag.
        author: who moves it.

    Returns:
        The move; None where the tag meant that already.

    Raises:
        RegistryConflictError: somebody else moved it meanwhile.
        UsageError: no name that a tag can have.
        UnknownNameError: a tag that is not there is to be removed.
    """
    before = newest_move(files, name)
    if version is None and (before is None or before.version is None):
        raise _unknown(files, name)
    if before is not None and before.version == version:
        return None
    number = 1 if before is None else before.move + 1
    now = datetime.now(timezone.utc).replace(microsecond=0)
    tag = Tag(tag=name, move=number, version=version, moved_at=now, moved_by=author)
    if not files.create(_file(name, number), msgspec.json.format(msgspec.json.encode(tag), indent=2) + b"\n"):
        raise RegistryConflictError(
            f"tag '{name}' was moved meanwhile",
            where=f"{files.location}/{FOLDER}/{name}",
            hint="nothing was written; look where it is (featurestore registry tags), and run the command again",
        )
    return tag


def check_tag(name: str) -> None:
    """Refuse what no tag can be named. Raises UsageError."""
    if not _TAG.match(name):
        hint = "write letters, digits, _ and -, a letter first, e.g. prod"
        raise UsageError(f"'{name}' cannot be the name of a tag", hint=hint)


def newest_move(files: RegistryFiles, name: str) -> Tag | None:
    """Read the last move of one tag; None where there never was one of this name. Raises UsageError for no name."""
    check_tag(name)
    moves = _moves(files, name)
    return _read(files, name, moves[-1]) if moves else None


def _moves(files: RegistryFiles, name: str) -> list[int]:
    matches = (_MOVE.match(each) for each in files.names(f"{FOLDER}/{name}"))
    return sorted(int(match[1]) for match in matches if match is not None)


def _read(files: RegistryFiles, name: str, number: int) -> Tag:
    where = f"{files.location}/{_file(name, number)}"
    data = files.read(_file(name, number))
    try:
        tag = msgspec.json.decode(data or b"", type=Tag)
        is_its_own = (tag.tag, tag.move) == (name, number)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "restore it from a backup, or move it away to return to the move before it"
        raise RegistryCorruptError(f"not a move of a tag: {error}", where=where, hint=hint) from error
    if not is_its_own:
        what = f"the file's name says move {number} of '{name}', the document says move {tag.move} of '{tag.tag}'"
        hint = "moves are never renamed or copied; restore it, or move it away"
        raise RegistryCorruptError(what, where=where, hint=hint)
    return tag


def _unknown(files: RegistryFiles, name: str) -> UsageError:
    return unknown_name("tag", name, [tag.tag for tag in tags(files)], place=f"the registry {files.location}")


def _file(name: str, number: int) -> str:
    return f"{FOLDER}/{name}/{number:010d}.json"
