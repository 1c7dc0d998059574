"""A Redis Cluster: keys are shared out over servers by slot.

The rule: a lookup ends within `Limits.lookup_s`, however many servers hang.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from featurestore.online.redis.cluster_lookup import ClusterLookup
from featurestore.online.redis.deadline import left_s, turn_ends
from featurestore.online.redis.link import open_link
from featurestore.online.redis.node import Node
from featurestore.online.redis.one_master import FAILOVER_ATTEMPT_S
from featurestore.online.redis.replies import LinkError, NotConnectedError
from featurestore.online.redis.slot_map import SlotMap
from featurestore.online.redis.slots import named_endpoint, slot_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.link import Link
    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.replies import ServerError
    from featurestore.online.redis.uri import Endpoint, RedisAddress


class Cluster:
    """See `servers.Servers`."""

    survive_failover = True
    has_slots = True
    attempt_s = FAILOVER_ATTEMPT_S

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._limits = address.limits
        self._map = SlotMap(address, self._forget_others)
        self._nodes: dict[str, Node] = {}

    def slot(self, key: bytes) -> int:
        """Return the slot of a key."""
        return slot_of(key)

    def node(self, slot: int) -> Node:
        """Return the server that has a slot, as far as is known."""
        name = self._map.name(slot)
        if not name and self._map.is_wanting():
            self._map.refresh()
            name = self._map.name(slot)
        if not name:
            raise NotConnectedError(f"no node of the Cluster has slot {slot}")
        return self._nodes.get(name) or self._node_at(self._map.endpoints[name])

    def redirected(self, problem: ServerError, asked: Node) -> Node:
        """Return the server that ``MOVED slot place`` or ``ASK slot place`` names; what moved is remembered."""
        code, slot, place = problem.text.split(" ")[:3]
        endpoint = named_endpoint(place, self._map.endpoints[asked.name].host)
        node = self._node_at(endpoint)
        if code == "MOVED":
            self._map.moved(int(slot), endpoint)
        return node

    def refresh(self, lost: Node | None) -> None:
        """Ask who has which slot: servers that are known first, then those of the URI, the one that was lost last."""
        self._map.refresh("" if lost is None else lost.name)

    def masters(self) -> Sequence[Node]:
        """Return all servers that have slots, as they are just now."""
        self._map.reload()
        return [self._node_at(self._map.endpoints[name]) for name in self._map.names()]

    def look_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys; all servers work at once."""
        connect_s, read_s = self._limits.connect_timeout_s, self._limits.read_timeout_s
        until = time.monotonic() + self._limits.lookup_s
        if self._map.is_wanting():
            self._map.refresh_by(until - read_s)
        lookup = ClusterLookup(self, keys)
        while shares := lookup.shares():
            ready_by = min(time.monotonic() + connect_s, until - read_s)
            try:
                for number, share in enumerate(shares):
                    share.send(turn_ends(ready_by, len(shares) - number))
                answers_by = min(time.monotonic() + read_s, until)
                timeout_s = min(read_s, left_s(until))
                for share in shares:
                    outcome = share.receive(timeout_s)
                    if isinstance(outcome, LinkError):  # the others have had this time too
                        timeout_s = left_s(answers_by)
                    lookup.take(share, outcome)
            finally:
                for share in shares:
                    share.drop()
            if lookup.is_stale:
                self._map.refresh_by(until - read_s, lookup.lost_name)
        return lookup.values()

    async def alook_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys; all servers work at once."""
        import asyncio

        connect_s, read_s = self._limits.connect_timeout_s, self._limits.read_timeout_s
        until = time.monotonic() + self._limits.lookup_s
        if self._map.is_wanting():
            await self._map.arefresh_by(until - read_s)
        lookup = ClusterLookup(self, keys)
        while shares := lookup.shares():
            ready_by = min(time.monotonic() + connect_s, until - read_s)
            outcomes = await asyncio.gather(*[share.exchange(ready_by) for share in shares])
            for share, outcome in zip(shares, outcomes, strict=True):
                lookup.take(share, outcome)
            if lookup.is_stale:
                await self._map.arefresh_by(until - read_s, lookup.lost_name)
        return lookup.values()

    def close(self) -> None:
        """Close all connections."""
        for node in list(self._nodes.values()):
            node.forget()

    def abandon(self) -> None:
        """Close inherited links."""
        for node in self._nodes.values():
            node.abandon()

    def _forget_others(self, names: set[str]) -> None:
        """Close the connections to servers that have no slots any more."""
        for name, node in list(self._nodes.items()):
            if name not in names:
                node.forget()

    def _node_at(self, endpoint: Endpoint) -> Node:
        node = self._nodes.get(endpoint.name)
        if node is None:
            self._map.endpoints.setdefault(endpoint.name, endpoint)
            made = Node(
                endpoint.name,
                functools.partial(self._connect, endpoint),
                functools.partial(self._aconnect, endpoint),
                limits=self._limits,
            )
            node = self._nodes.setdefault(endpoint.name, made)
        return node

    def _connect(self, endpoint: Endpoint, until: float) -> Link:
        return open_link(endpoint, self._address.tls, self._address.login, 0, until)

    async def _aconnect(self, endpoint: Endpoint) -> Mux:
        from featurestore.online.redis.mux import open_mux

        until = time.monotonic() + self._limits.connect_timeout_s
        return await open_mux(endpoint, self._address.tls, self._address.login, 0, until)
