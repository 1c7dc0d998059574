"""What a place for registry documents must do: list them, read one, create one that was not there, delete one.

Files are never changed or replaced. Create-only is the whole concurrency control: of two writers of one name,
one wins and the other is told so (SEMANTICS R1). A name may lead through folders: ``tags/prod/0000000001.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from featurestore.errors import RegistryCorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_IN_NAMES = frozenset("/\\:\0")
MOST_BYTES = 64 * 1024 * 1024
"""Larger documents are neither written nor read: some 300,000 features with their descriptions take this much."""


def too_large(size_bytes: int, where: str) -> RegistryCorruptError:
    """Build the error for a file that is larger than any document; raised before it is read, where that is known."""
    return RegistryCorruptError(
        f"expected at most {MOST_BYTES:,} bytes, got {size_bytes:,}",
        where=where,
        hint="no apply writes such a document: restore it from a backup, or move it away",
    )


class RegistryFiles(Protocol):
    """One place. All methods raise RegistryUnavailableError, naming the place, when it cannot be used."""

    @property
    def location(self) -> str:
        """The place, for messages; holds no credentials."""
        ...

    def names(self, folder: str = "") -> Sequence[str]:
        """Names of the whole files directly in a folder, sorted, without the folder; none when it does not exist."""
        ...

    def folders(self, folder: str = "") -> Sequence[str]:
        """Names of the folders directly in a folder that hold something, sorted, without the folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """Read one file; None when there is none.

        Raises:
            RegistryCorruptError: the name stands for something else than a file, or it is larger than `MOST_BYTES`.
        """
        ...

    def stamp(self, name: str) -> str | None:
        """What changes when a file is another one, without reading it; None when there is none.

        It may be what the last `names` of this object has seen.
        """
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create a file and its folders, whole or not at all, safe from a crash once this returns.

        Returns:
            True when created, False when the name was taken; what was there is untouched.

        Raises:
            RegistryCorruptError: a folder lies at this name, or something else than a folder on the way to it.
        """
        ...

    def delete(self, name: str) -> bool:
        """Delete one file; False when there was none.

        Raises:
            RegistryCorruptError: the name stands for something else than a file.
        """
        ...


def segments(name: str) -> tuple[str, ...]:
    """Take a name apart at its slashes: folders, then the file. The empty name, the top folder, has none."""
    parts = tuple(name.split("/")) if name else ()
    for part in parts:
        assert part, f"not a file name: {name!r}"
        assert not part.startswith("."), f"not a file name: {name!r}"
        assert not _NOT_IN_NAMES & set(part), f"not a file name: {name!r}"
    return parts
