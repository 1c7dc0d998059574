"""A Redis Cluster: keys are shared out over servers by slot.

The rule: who has which slot is asked when first needed, and again when a server is lost or says otherwise.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING

from featurestore.online.redis.cluster_lookup import ClusterLookup
from featurestore.online.redis.link import open_link
from featurestore.online.redis.node import Node
from featurestore.online.redis.one_master import FAILOVER_ATTEMPT_S
from featurestore.online.redis.replies import TRY_AGAIN, LinkError, NotConnectedError, ServerError
from featurestore.online.redis.resp import pack, raise_if_refused
from featurestore.online.redis.slots import SLOTS, named_endpoint, read_slots, slot_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.link import Link
    from featurestore.online.redis.mux import Mux
    from featurestore.online.redis.uri import Endpoint, RedisAddress

_ASKED_AGAIN_AFTER_S = 0.05


class Cluster:
    """See `servers.Servers`."""

    survive_failover = True
    has_slots = True
    attempt_s = FAILOVER_ATTEMPT_S

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._by_slot: list[str] = []
        self._loaded_at = 0.0

    def slot(self, key: bytes) -> int:
        """Return the slot of a key."""
        return slot_of(key)

    def node(self, slot: int) -> Node:
        """Return the server that has a slot, as far as is known."""
        if not self._by_slot:
            self.refresh(None)
        return self._nodes[self._by_slot[slot]]

    def redirected(self, problem: ServerError, asked: Node) -> Node:
        """Return the server that ``MOVED slot place`` or ``ASK slot place`` names; what moved is remembered."""
        code, slot, place = problem.text.split(" ")[:3]
        node = self._node_at(named_endpoint(place, self._endpoints[asked.name].host))
        if code == "MOVED" and self._by_slot:
            self._by_slot[int(slot)] = node.name
        return node

    def refresh(self, lost: Node | None) -> None:
        """Ask who has which slot: servers that are known first, the one that was lost last, then those of the URI."""
        asked_at = time.monotonic()
        with self._lock:
            if self._loaded_at > asked_at - _ASKED_AGAIN_AFTER_S:
                return  # somebody else has just asked
            known = sorted(set(self._by_slot), key=lambda name: lost is not None and name == lost.name)
            endpoints = dict.fromkeys([*(self._endpoints[name] for name in known), *self._address.endpoints])
            problems: list[str] = []
            for endpoint in endpoints:
                if self._is_loaded_from(endpoint, problems):
                    return
        raise NotConnectedError(f"no node of the Cluster says who has which slots: {'; '.join(problems)}")

    def masters(self) -> Sequence[Node]:
        """Return all servers that have slots, as they are just now."""
        self.refresh(None)
        return [self._nodes[name] for name in sorted(set(self._by_slot))]

    def look_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys; all servers work at once."""
        lookup = ClusterLookup(self, keys)
        while shares := lookup.shares():
            try:
                for share in shares:
                    share.send()
                for share in shares:
                    lookup.take(share, share.receive())
            finally:
                for share in shares:
                    share.drop()
            if lookup.is_stale:
                self.refresh(lookup.lost)
        return lookup.values()

    async def alook_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read distinct keys; all servers work at once."""
        import asyncio

        if not self._by_slot:
            await asyncio.to_thread(self.refresh, None)
        lookup = ClusterLookup(self, keys)
        while shares := lookup.shares():
            outcomes = await asyncio.gather(*[share.exchange() for share in shares])
            for share, outcome in zip(shares, outcomes, strict=True):
                lookup.take(share, outcome)
            if lookup.is_stale:
                await asyncio.to_thread(self.refresh, lookup.lost)
        return lookup.values()

    def close(self) -> None:
        """Close all connections."""
        for node in list(self._nodes.values()):
            node.forget()

    def abandon(self) -> None:
        """Close inherited links."""
        for node in self._nodes.values():
            node.abandon()

    def _is_loaded_from(self, endpoint: Endpoint, problems: list[str]) -> bool:
        """Ask one server; what it says counts only if every slot has a master."""
        try:
            with self._node_at(endpoint).quick.link() as link:
                (answer,) = link.exchange(pack("CLUSTER", "SLOTS"), 1, self._address.limits.connect_timeout_s)
                raise_if_refused([answer])
        except LinkError as problem:
            problems.append(f"{endpoint.name}: {problem}")
            return False
        except ServerError as problem:
            if problem.code not in TRY_AGAIN:
                raise
            problems.append(f"{endpoint.name}: {problem.text}")
            return False
        found = read_slots(answer, endpoint.host)
        if found is None:
            problems.append(f"{endpoint.name}: some slots have no master")
            return False
        by_slot = [""] * SLOTS
        for slots, master in found:
            by_slot[slots.start : slots.stop] = [self._node_at(master).name] * len(slots)
        self._by_slot, self._loaded_at = by_slot, time.monotonic()
        return True

    def _node_at(self, endpoint: Endpoint) -> Node:
        node = self._nodes.get(endpoint.name)
        if node is None:
            self._endpoints[endpoint.name] = endpoint
            made = Node(
                endpoint.name,
                functools.partial(self._connect, endpoint),
                functools.partial(self._aconnect, endpoint),
                limits=self._address.limits,
            )
            node = self._nodes.setdefault(endpoint.name, made)
        return node

    def _connect(self, endpoint: Endpoint, timeout_s: float) -> Link:
        return open_link(endpoint, self._address.tls, self._address.login, 0, timeout_s)

    async def _aconnect(self, endpoint: Endpoint) -> Mux:
        from featurestore.online.redis.mux import open_mux

        address = self._address
        return await open_mux(endpoint, address.tls, address.login, 0, address.limits.connect_timeout_s)
