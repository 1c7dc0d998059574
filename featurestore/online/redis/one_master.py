"""A store that one server holds: always the same, or the one that Sentinels name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from featurestore.online.redis.link import open_link
from featurestore.online.redis.node import Node
from featurestore.online.redis.replies import LinkError, NotConnectedError, ServerError
from featurestore.online.redis.resp import Answer, pack_mget
from featurestore.online.redis.sentinels import sentinels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.link import Link
    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.uri import Login, RedisAddress, Tls

FAILOVER_ATTEMPT_S = 5.0


class OneMaster:
    """See `servers.Servers`; the master is looked for whenever a connection is made."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self.survive_failover = address.kind == "sentinel"
        self.has_slots = False
        self.attempt_s = FAILOVER_ATTEMPT_S if self.survive_failover else address.limits.write_timeout_s
        self._inquiry = sentinels(address) if self.survive_failover else None
        self._node = Node(
            address.place, self._connect, self._aconnect, limits=address.limits, moves=self.survive_failover
        )

    def slot(self, key: bytes) -> int:  # noqa: ARG002 -- one server has all keys
        """Return 0."""
        return 0

    def node(self, slot: int) -> Node:  # noqa: ARG002
        """Return the master."""
        return self._node

    def redirected(self, problem: ServerError, asked: Node) -> Node:  # noqa: ARG002
        """Refuse: a server that redirects belongs to a Cluster."""
        raise problem

    def refresh(self, lost: Node | None) -> None:  # noqa: ARG002
        """Make the next connections anew: the Sentinels may name another server by now."""
        if self.survive_failover:
            self._node.forget()

    def masters(self) -> Sequence[Node]:
        """Return the master."""
        return [self._node]

    def look_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys with one MGET."""
        return self._values(self._node.look_up(pack_mget(keys), 1)[0])

    async def alook_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys with one MGET."""
        return self._values((await self._node.alook_up(pack_mget(keys), 1))[0])

    def close(self) -> None:
        """Close all connections."""
        self._node.forget()

    def abandon(self) -> None:
        """Close inherited links."""
        self._node.abandon()

    def _values(self, answer: Answer) -> list[bytes | None]:
        if isinstance(answer, ServerError):
            raise answer
        return cast("list[bytes | None]", answer)

    def _connect(self, until: float) -> Link:
        if self._inquiry is None:
            return open_link(self._address.endpoints[0], *self._how(), until)
        named = self._inquiry.ask(self._address.endpoints, until, others=1)
        try:
            link = open_link(named.master, *self._how(), until)
            _check(link)
        except (LinkError, ServerError):
            self._inquiry.distrust(named.sentinel)
            raise
        return link

    async def _aconnect(self) -> Mux:
        from featurestore.online.redis.mux import open_mux

        until = time.monotonic() + self._address.limits.connect_timeout_s
        if self._inquiry is None:
            return await open_mux(self._address.endpoints[0], *self._how(), until)
        named = await self._inquiry.aask(self._address.endpoints, until, others=1)
        try:
            mux = await open_mux(named.master, *self._how(), until)
            _check(mux)
        except (LinkError, ServerError):
            self._inquiry.distrust(named.sentinel)
            raise
        return mux

    def _how(self) -> tuple[Tls | None, Login, int]:
        return self._address.tls, self._address.login, self._address.db


def _check(made: Link | Mux) -> None:
    """A master that was lost may still be named for a moment, as a replica that rows would be lost in."""
    role = made.greeting.role
    if role not in {"", "master"}:
        made.close()
        raise NotConnectedError(f"the server that the Sentinels name is a {role} now")
