"""What a person does to a registry's history: go back, move tags, remove old versions; each time it is said by whom.

Readers of this user look again afterwards, also within their ``cache``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.registry.author import Author
from featurestore.registry.collect import collect, removable
from featurestore.registry.versions import Registry

if TYPE_CHECKING:
    from featurestore.registry.tags import Tag
    from featurestore.registry.versions import Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One registry, and who is at work.

    Attributes:
        registry: whose history it is.
        author: who changes it.
        look_again: has readers see what was changed.
    """

    registry: Registry
    author: Author
    look_again: Callable[[], None]

    def rollback(self, version: int) -> Applied:
        """Make the definitions of an older version the newest ones; raises as `Registry.rollback`."""
        applied = self.registry.rollback(version, author=self.author)
        self.look_again()
        return applied

    def tag(self, name: str, version: int | None) -> Tag | None:
        """Let a tag mean a version, or nothing; None where it meant that already. Raises as `Registry.tag`."""
        moved = self.registry.tag(name, version, author=self.author)
        self.look_again()
        return moved

    def removable(self, keep: int) -> tuple[int, ...]:
        """Name the versions that `collect` would remove."""
        return removable(self.registry, keep=keep)

    def collect(self, keep: int) -> tuple[int, ...]:
        """Remove all but the newest versions and those with a tag; returns their numbers. Raises as `collect`."""
        return collect(self.registry, keep=keep, author=self.author)
