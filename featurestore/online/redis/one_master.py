"""A store that one server holds: always the same, or the one that Sentinels name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from featurestore.online.redis.link import open_link
from featurestore.online.redis.node import Node
from featurestore.online.redis.replies import LinkError, NotConnectedError, ServerError
from featurestore.online.redis.resp import Answer, pack, pack_mget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.greeting import Greeting
    from featurestore.online.redis.link import Link
    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.uri import Endpoint, RedisAddress

FAILOVER_ATTEMPT_S = 5.0


class OneMaster:
    """See `servers.Servers`; the master is looked for whenever a connection is made."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self.survive_failover = address.kind == "sentinel"
        self.has_slots = False
        self.attempt_s = FAILOVER_ATTEMPT_S if self.survive_failover else address.limits.write_timeout_s
        self._sentinels = list(address.endpoints) if self.survive_failover else []
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

    def _connect(self, timeout_s: float) -> Link:
        address = self._address
        link = open_link(self._master(timeout_s), address.tls, address.login, address.db, timeout_s)
        try:
            self._check(link.greeting)
        except BaseException:
            link.close()
            raise
        return link

    async def _aconnect(self) -> Mux:
        import asyncio

        from featurestore.online.redis.mux import open_mux

        address, timeout_s = self._address, self._address.limits.connect_timeout_s
        endpoint = await asyncio.to_thread(self._master, timeout_s) if self._sentinels else self._master(timeout_s)
        mux = await open_mux(endpoint, address.tls, address.login, address.db, timeout_s)
        try:
            self._check(mux.greeting)
        except BaseException:
            mux.close()
            raise
        return mux

    def _check(self, greeting: Greeting) -> None:
        """A master that was lost may still be named for a moment, as a replica that rows would be lost in."""
        if self._sentinels and greeting.role not in {"", "master"}:
            raise NotConnectedError(f"the server that the Sentinels name is a {greeting.role} now")

    def _master(self, timeout_s: float) -> Endpoint:
        """Return where the master is; the first Sentinel that answers is asked first the next time."""
        if not self._sentinels:
            return self._address.endpoints[0]
        problems: list[str] = []
        for sentinel in list(self._sentinels):
            try:
                found = self._ask(sentinel, timeout_s)
            except (LinkError, ServerError) as problem:
                problems.append(f"{sentinel.name}: {problem}")
                continue
            if found is not None:
                self._sentinels = [sentinel, *(each for each in self._sentinels if each != sentinel)]
                return found
            problems.append(f"{sentinel.name} knows no master '{self._address.master}'")
        raise NotConnectedError(f"no Sentinel names the master: {'; '.join(problems)}")

    def _ask(self, sentinel: Endpoint, timeout_s: float) -> Endpoint | None:
        address = self._address
        link = open_link(sentinel, address.tls, address.sentinel_login, 0, timeout_s)
        try:
            asked = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
            (answer,) = link.exchange(asked, 1, timeout_s)
        finally:
            link.close()
        if isinstance(answer, ServerError):
            raise answer
        if not isinstance(answer, list):
            return None
        host, port = (each.decode() for each in answer if isinstance(each, bytes))
        return type(sentinel)(host=host, port=int(port))
