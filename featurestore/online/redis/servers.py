"""What a store's servers look like to those who ask: one, or several that share the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.node import Node
    from featurestore.online.redis.replies import ServerError


class Servers(Protocol):
    """The servers of one store.

    Attributes:
        survive_failover: whether another server takes over when one is lost: then writes wait for it.
        has_slots: whether keys are shared out by slot.
        attempt_s: how long to wait for the answer to a write before it is sent again.
    """

    survive_failover: bool
    has_slots: bool
    attempt_s: float

    def slot(self, key: bytes) -> int:
        """Return the slot of a key; 0 where one server has them all."""
        ...

    def node(self, slot: int) -> Node:
        """Return the server that has a slot, as far as is known; raises LinkError."""
        ...

    def redirected(self, problem: ServerError, asked: Node) -> Node:
        """Return the server that a MOVED or ASK names, and learn from it."""
        ...

    def refresh(self, lost: Node | None) -> None:
        """Find out anew who has what, after a server was lost or is not what it was; raises LinkError."""
        ...

    def masters(self) -> Sequence[Node]:
        """Return all servers that take writes; raises LinkError."""
        ...

    def look_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys, quickly; raises LinkError or ServerError."""
        ...

    async def alook_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Do what `look_up` does, on the running event loop."""
        ...

    def close(self) -> None:
        """Close all connections; the next use opens them again."""
        ...

    def abandon(self) -> None:
        """Close what was inherited through a fork, taking no lock: nobody here would release it."""
        ...
