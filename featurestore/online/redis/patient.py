"""Carry out requests that must succeed: pipelined, several under way, sent again until they are acknowledged.

The rules: of one key the order is kept, also when something is sent again; what is sent again must be harmless to
repeat. A server that lost its data loads scripts again; one that moves, restarts or hands over is waited for.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from featurestore.online.redis.guard import GUARD, GUARD_SHA
from featurestore.online.redis.replies import REDIRECTED, TRY_AGAIN, LinkError, LinkTimeoutError, ServerError
from featurestore.online.redis.resp import NOTHING, Answer, pack, raise_if_refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.redis.link import Link
    from featurestore.online.redis.node import Node
    from featurestore.online.redis.requests import Request
    from featurestore.online.redis.servers import Servers

REQUESTS_PER_SEND = 5
REQUESTS_UNDER_WAY = 10
"""What a server works on while the next requests are packed; answers are small, so nothing can jam."""
_ASKING = pack("ASKING")
_SCRIPT_LOADS = 3
"""In a row, after which a server that has loaded the script and does not know it is given up."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.25


def run(servers: Servers, requests: Sequence[Request], *, timeout_s: float, is_repeatable: bool = True) -> list[Answer]:
    """Carry out requests.

    Args:
        servers: of the store.
        requests: to be sent in this order to each server.
        timeout_s: how long nothing may succeed before this gives up.
        is_repeatable: whether a request may be sent again when nobody knows if it was carried out.

    Returns:
        One answer per request, a list where the request has several commands.

    Raises:
        LinkError: the servers cannot be reached; requests that were acknowledged are carried out.
        ServerError: one refused.
    """
    job = _Job(servers, requests, timeout_s=timeout_s, is_repeatable=is_repeatable)
    while job.has_work():
        job.go_round()
    return job.answers


class _Job:
    """Requests, the answers so far, and what was learned about where to send the rest."""

    def __init__(self, servers: Servers, requests: Sequence[Request], *, timeout_s: float, is_repeatable: bool) -> None:
        self.servers = servers
        self.requests = requests
        self.answers: list[Answer] = [NOTHING] * len(requests)
        self.is_repeatable = is_repeatable
        self.attempt_s = min(servers.attempt_s, timeout_s)
        self.asked: dict[int, Node] = {}
        self._timeout_s = timeout_s
        self._gives_up_at = time.monotonic() + timeout_s
        self._fruitless = 0

    def has_work(self) -> bool:
        """Whether a request is not yet answered."""
        return any(answer is NOTHING for answer in self.answers)

    def go_round(self) -> None:
        """Send what is not answered to the servers that seem to have it; learn from what does not succeed."""
        left = [place for place, answer in enumerate(self.answers) if answer is NOTHING]
        problem: Exception | None = None
        try:
            shares = [_Share(self, node, places) for node, places in self._by_node(left)]
        except LinkError as unknown:
            shares, problem = [], unknown
        with ExitStack() as ends:
            for share in shares:
                ends.enter_context(share)
            busy = shares
            while busy:
                busy = [share for share in busy if share.advance()]
        for share in shares:
            problem = self._learn(share) or problem
        self._judge(problem, is_fruitful=sum(answer is NOTHING for answer in self.answers) < len(left))

    def _by_node(self, left: Sequence[int]) -> list[tuple[Node, list[int]]]:
        by_name: dict[str, tuple[Node, list[int]]] = {}
        for place in left:
            node = self.asked.get(place) or self.servers.node(self.requests[place].slot)
            by_name.setdefault(node.name, (node, []))[1].append(place)
        return list(by_name.values())

    def _learn(self, share: _Share) -> Exception | None:
        """Return why a share was not carried out; find out where the rest of it belongs."""
        if share.broken is not None:
            self._refresh(share.node)
            return share.broken
        for place, problem in share.refused.items():
            self.asked.pop(place, None)
            request = self.requests[place]
            if problem.code in {"ASK", "TRYAGAIN"} and request.parts is not None:
                self.answers[place] = self._by_parts(request)
            elif problem.code in REDIRECTED:
                node = self.servers.redirected(problem, share.node)
                if problem.code == "ASK":
                    self.asked[place] = node
            else:
                self._refresh(share.node)
        return next(iter(share.refused.values()), None)

    def _by_parts(self, request: Request) -> int:
        """Carry out a request key by key, since its slot is moving: some keys are here, some there."""
        assert request.parts is not None, request
        answers = run(self.servers, request.parts(), timeout_s=self._timeout_s)
        return sum(answer for answer in answers if isinstance(answer, int))

    def _refresh(self, lost: Node) -> None:
        try:
            self.servers.refresh(lost)
        except LinkError:
            return  # nobody can be asked just now; the next round tries again

    def _judge(self, problem: Exception | None, *, is_fruitful: bool) -> None:
        """Wait a little when nothing succeeded; give up when nothing has for too long."""
        now = time.monotonic()
        if problem is None or is_fruitful:
            self._gives_up_at, self._fruitless = now + self._timeout_s, 0
            return
        self._fruitless += 1
        is_waited_for = self.servers.survive_failover or isinstance(problem, ServerError)
        if now >= self._gives_up_at or (not is_waited_for and self._fruitless > 1):
            raise problem
        if is_waited_for:
            pause_s = _FIRST_PAUSE_S * 2 ** min(self._fruitless, 10)
            time.sleep(min(pause_s, _LONGEST_PAUSE_S, self._gives_up_at - now))


class _Share:
    """The requests of a job that one server gets, over one link.

    Attributes:
        node: the server.
        broken: why the link was lost; what is not answered may or may not have been carried out.
        refused: requests that this server does not carry out now, and why; they were not.
    """

    def __init__(self, job: _Job, node: Node, places: Sequence[int]) -> None:
        self.node = node
        self.broken: LinkError | None = None
        self.refused: dict[int, ServerError] = {}
        self._job = job
        self._places = places
        self._next = 0
        self._link: Link | None = None
        self._under_way: deque[tuple[int, int, int | bytes]] = deque()
        self._held: set[int | bytes] = set()
        self._loads = 0

    def __enter__(self) -> None:
        """Begin; the link is taken when it is needed."""

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: object) -> None:
        """Return the link; after any exception, a Ctrl-C too, answers may be outstanding, so it is closed."""
        link, self._link = self._link, None
        if link is None:
            return
        if problem is None:
            self.node.patient.give_back(link)
        else:
            self.node.patient.drop(link, LinkTimeoutError("answers are outstanding"))

    def advance(self) -> bool:
        """Send some requests and read some answers; returns whether there is more to do.

        Raises:
            ServerError: a request was refused for good.
        """
        try:
            link = self._link = self._link or self.node.patient.take(is_checked=True)
            self._send(link)
            while len(self._under_way) > (REQUESTS_UNDER_WAY if self._next < len(self._places) else 0):
                self._read(link)
        except LinkError as problem:
            self._lose(problem)
            return False
        return self._next < len(self._places) or bool(self._under_way)

    def _lose(self, problem: LinkError) -> None:
        link, self._link = self._link, None
        if link is not None:
            self.node.patient.drop(link, problem)
            if self._next and not self._job.is_repeatable:
                raise problem
        self.broken = problem

    def _send(self, link: Link) -> None:
        packed: list[bytes] = []
        for place in self._places[self._next : self._next + REQUESTS_PER_SEND]:
            request = self._job.requests[place]
            is_asked = place in self._job.asked
            if is_asked:
                packed.append(_ASKING)
            packed.append(request.packed)
            order = request.slot if request.key is None else request.key
            self._under_way.append((place, request.count + is_asked, order))
            self._next += 1
        if packed:
            link.send(b"".join(packed), self._job.attempt_s)

    def _read(self, link: Link) -> None:
        place, count, order = self._under_way[0]
        answers = link.receive(count, self._job.attempt_s)
        self._under_way.popleft()
        refused = next((answer for answer in answers if isinstance(answer, ServerError)), None)
        if refused is None:
            self._loads = 0
            if order not in self._held:  # else what comes before it in the order is still to be done
                wanted = answers[place in self._job.asked :]
                self._job.answers[place] = wanted[0] if len(wanted) == 1 else wanted
        elif refused.code == "NOSCRIPT":
            self._load_script(link, place, refused)
        elif refused.code in TRY_AGAIN | REDIRECTED or (
            refused.code == "READONLY" and self._job.servers.survive_failover
        ):
            self.refused[place] = refused
            self._held.add(order)
        else:
            raise refused

    def _load_script(self, link: Link, place: int, refused: ServerError) -> None:
        """Load the guard, and go on from the request that lacked it."""
        while self._under_way:
            link.receive(self._under_way[0][1], self._job.attempt_s)
            self._under_way.popleft()
        self._loads += 1
        if self._loads > _SCRIPT_LOADS:
            raise refused
        loaded = link.exchange(pack("SCRIPT", "LOAD", GUARD), 1, self._job.attempt_s)
        raise_if_refused(loaded)
        assert loaded == [GUARD_SHA.encode()], loaded
        self._next = self._places.index(place)
