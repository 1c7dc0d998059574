"""One lookup in a Cluster: what to ask of which server, and what to ask again.

Shape: keys of one slot are one MGET; each server gets its slots' MGETs in one exchange. What has moved is asked for
where the answer says; what is moving, key by key. Servers lost in one round are survived, in two they are
an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from featurestore.online.redis.replies import REDIRECTED, TRY_AGAIN, BreakerOpenError, LinkError, ServerError
from featurestore.online.redis.resp import Answer, pack, pack_mget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.link import Link
    from featurestore.online.redis.node import Node
    from featurestore.online.redis.servers import Servers

    Outcome: TypeAlias = "list[Answer] | LinkError"

_ROUNDS = 6
_ASKING = pack("ASKING")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Keys of one slot; the server that has them just for now, if another one said so."""

    slot: int
    keys: list[bytes]
    asked: Node | None = None


class Share:
    """What one server is asked in one round; on a new connection when others broke in the round before."""

    def __init__(self, node: Node, *, is_new: bool) -> None:
        self.node = node
        self._is_new = is_new
        self.groups: list[_Group] = []
        self._link: Link | None = None
        self._problem: LinkError | None = None

    def send(self, ready_by: float) -> None:
        """Send the commands; a failure is told by `receive`."""
        try:
            self._link = self.node.send(self._packed(), ready_by, is_new=self._is_new)
        except LinkError as problem:
            self._problem = problem

    def receive(self, timeout_s: float) -> Outcome:
        """Return one answer per group, or why there are none."""
        if self._link is None:
            assert self._problem is not None, self.node.name
            return self._problem
        link, self._link = self._link, None
        try:
            return self._without_asking(self.node.receive(link, self._count(), timeout_s))
        except LinkError as problem:
            return problem

    async def exchange(self, ready_by: float) -> Outcome:
        """Do both on the running event loop."""
        try:
            return self._without_asking(await self.node.aexchange(self._packed(), self._count(), ready_by))
        except LinkError as problem:
            return problem

    def drop(self) -> None:
        """Throw away what was sent and will not be received."""
        link, self._link = self._link, None
        if link is not None:
            self.node.leave(link)

    def _packed(self) -> bytes:
        return b"".join([(_ASKING if group.asked else b"") + pack_mget(group.keys) for group in self.groups])

    def _count(self) -> int:
        return sum(2 if group.asked else 1 for group in self.groups)

    def _without_asking(self, answers: list[Answer]) -> list[Answer]:
        remaining = iter(answers)
        kept: list[Answer] = []
        for group in self.groups:
            if group.asked:
                next(remaining)
            kept.append(next(remaining))
        return kept


class ClusterLookup:
    """See the module.

    Attributes:
        is_stale: whether it should be found out anew who has what, before the next round.
        lost: a server that did not answer.
    """

    def __init__(self, servers: Servers, keys: Sequence[bytes]) -> None:
        self.is_stale = False
        self.lost: Node | None = None
        self._servers = servers
        self._keys = keys
        self._found: dict[bytes, bytes | None] = {}
        by_slot: dict[int, list[bytes]] = {}
        for key in keys:
            by_slot.setdefault(servers.slot(key), []).append(key)
        self._left = [_Group(slot=slot, keys=group) for slot, group in by_slot.items()]
        self._rounds = 0
        self._has_lost = False
        self._refused: ServerError | None = None

    def shares(self) -> list[Share]:
        """Return what is to be asked next, servers in a fixed order; nothing when all is known.

        Raises:
            ServerError: the servers still do not agree on who has a slot.
        """
        left, self._left, self.is_stale = self._left, [], False
        self._has_lost = self.lost is not None
        self._rounds += 1
        if left and self._rounds > _ROUNDS:
            assert self._refused is not None, self._keys
            raise self._refused
        shares: dict[str, Share] = {}
        for group in left:
            node = group.asked or self._servers.node(group.slot)
            shares.setdefault(node.name, Share(node, is_new=self._has_lost)).groups.append(group)
        return [shares[name] for name in sorted(shares)]

    @property
    def lost_name(self) -> str:
        """Name the server that did not answer; nothing where all did."""
        return "" if self.lost is None else self.lost.name

    def take(self, share: Share, outcome: Outcome) -> None:
        """Take a server's answers.

        Raises:
            LinkError: servers were lost twice, or the breaker is open.
            ServerError: a refusal that no other server will lift.
        """
        if isinstance(outcome, LinkError):
            self._lose(share, outcome)
            return
        for group, answer in zip(share.groups, outcome, strict=True):
            if isinstance(answer, ServerError):
                self._redirect(share, group, answer)
            else:
                assert isinstance(answer, list), answer
                self._found.update(zip(group.keys, answer, strict=True))

    def values(self) -> list[bytes | None]:
        """Return what was found, in the order of the keys."""
        return [self._found[key] for key in self._keys]

    def _lose(self, share: Share, problem: LinkError) -> None:
        if self._has_lost or isinstance(problem, BreakerOpenError):
            raise problem
        self.lost, self.is_stale = share.node, True
        self._left += [_Group(slot=group.slot, keys=group.keys) for group in share.groups]

    def _redirect(self, share: Share, group: _Group, problem: ServerError) -> None:
        self._refused = problem
        if problem.code in {"ASK", "TRYAGAIN"} and len(group.keys) > 1:
            self._left += [_Group(slot=group.slot, keys=[key]) for key in group.keys]
        elif problem.code in REDIRECTED:
            node = self._servers.redirected(problem, share.node)
            asked = node if problem.code == "ASK" else None
            self._left.append(_Group(slot=group.slot, keys=group.keys, asked=asked))
        elif problem.code in TRY_AGAIN:
            self.is_stale = True
            self._left.append(_Group(slot=group.slot, keys=group.keys))
        else:
            raise problem
