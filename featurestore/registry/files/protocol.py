"""What a place for registry documents must do: name them, read one, create one that was not there.

Files are never changed or replaced. Create-only is the whole concurrency control: of two writers of one name,
one wins and the other is told so (SEMANTICS R1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class RegistryFiles(Protocol):
    """One place. All methods raise RegistryUnavailableError, naming the place, when it cannot be used."""

    @property
    def location(self) -> str:
        """The place, for messages; holds no credentials."""
        ...

    def names(self) -> Sequence[str]:
        """Names of all whole files, sorted; none when the place does not exist yet."""
        ...

    def read(self, name: str) -> bytes:
        """Read one file; raises RegistryCorruptError when the name stands for something else than a file."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all, safe from a crash once this returns.

        Returns:
            True when created, False when the name was taken; what was there is untouched.
        """
        ...
