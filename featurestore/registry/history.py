"""What a person does to a registry's history: go back, move tags, remove old versions; each time it is said by whom.

Readers of this user look again afterwards, also within their ``cache``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.registry.author import Author
from featurestore.registry.collect import collect, removable
from featurestore.registry.versions import Registry, refuse_foreign

if TYPE_CHECKING:
    from featurestore.registry.tags import Tag
    from featurestore.registry.versions import Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One registry, and who is at work.

    Attributes:
        registry: whose history it is.
        project: the dbt project it must belong to: no other one's tags are moved, no other one's versions removed.
        author: who changes it.
        pin: what the project's readers are pinned to; a version's number is never collected.
        look_again: has readers see what was changed.
    """

    registry: Registry
    project: str
    author: Author
    pin: str | None = None
    look_again: Callable[[], None]

    def rollback(self, version: int, *, expected: int) -> Applied:
        """Make the definitions of an older version the newest ones; raises as `Registry.rollback`."""
        self._refuse_foreign(version)
        applied = self.registry.rollback(version, author=self.author, expected=expected)
        self.look_again()
        return applied

    def tag(self, name: str, version: int | None) -> Tag | None:
        """Let a tag mean a version, or nothing; None where it meant that already. Raises as `Registry.tag`."""
        self._refuse_foreign(version)
        moved = self.registry.tag(name, version, author=self.author)
        self.look_again()
        return moved

    def removable(self, keep: int) -> tuple[int, ...]:
        """Name the versions that `collect` would remove."""
        self._refuse_foreign(None)
        return removable(self.registry, keep=keep, pin=self.pin)

    def collect(self, keep: int) -> tuple[int, ...]:
        """Remove all but the newest versions and those with a tag; returns their numbers. Raises as `collect`."""
        self._refuse_foreign(None)
        gone = collect(self.registry, keep=keep, author=self.author, pin=self.pin)
        self.look_again()
        return gone

    def _refuse_foreign(self, version: int | None) -> None:
        """Refuse another project's registry, by this version, None is the newest."""
        document = self.registry.latest() if version is None else self.registry.version(version)
        if document is not None:
            refuse_foreign(document, self.project, self.registry.files.location)
