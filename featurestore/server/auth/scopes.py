"""A grant: who asks, and what they may do.

Shape: ``key or token -> Grant -> may(action, view)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurestore.definitions.scopes import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What somebody may do. Two of the same scopes allow the same, so answers can be kept by `scopes`.

    Attributes:
        name: of the key, or the subject of the token; for logs and metrics.
        scopes: as `parse_scope` returns them.
    """

    name: str
    scopes: frozenset[str]

    def may(self, action: Action, view: str = "*") -> bool:
        """Whether this is allowed.

        Args:
            action: what is to be done.
            view: the reference of a feature view, ``orders`` or ``orders@v2``; ``*`` is all of them.
        """
        scopes = self.scopes
        if f"{action}:*" in scopes or f"{action}:{view}" in scopes:
            return True
        name, versioned, _ = view.partition("@")
        return bool(versioned) and f"{action}:{name}" in scopes


ANYBODY = Grant(name="anybody", scopes=frozenset(("read:*",)))
"""Who asks a server that has neither keys nor an issuer."""
