"""Who has which slot of a Redis Cluster: asked when first needed, and again when a server is lost or says otherwise.

The rules: lookups ask within their time, and those that want to know at the same moment share one question and its
failure. A map on which some slots have no master counts only if no server has a whole one.
"""

from __future__ import annotations

import functools
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from featurestore.online.redis.breaker import Breaker
from featurestore.online.redis.deadline import SAYS_WHY_S, left_s
from featurestore.online.redis.inquiry import Inquiry
from featurestore.online.redis.node import PATIENT_CONNECT_S
from featurestore.online.redis.replies import TRY_AGAIN, LinkError, NotConnectedError, ServerError
from featurestore.online.redis.resp import Answer, pack
from featurestore.online.redis.slots import SLOTS, count_slots, read_slots

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from featurestore.online.redis.uri import Endpoint, RedisAddress

    Found: TypeAlias = "list[tuple[range, Endpoint]]"

_ASKED_AGAIN_AFTER_S = 0.05
_HOLES_ASKED_AGAIN_AFTER_S = 1.0
_STILL_ASKED = "who has which slots of the Cluster is still being asked"


class SlotMap:
    """See the module. Shared by threads and event loops.

    Args:
        address: of the store.
        loaded: called with the names of all masters when they were learned.

    Attributes:
        endpoints: of all servers that were ever named, by name.
    """

    def __init__(self, address: RedisAddress, loaded: Callable[[set[str]], None]) -> None:
        limits = address.limits
        self.endpoints: dict[str, Endpoint] = {}
        self._seeds = address.endpoints
        self._patient_s = max(limits.connect_timeout_s, PATIENT_CONNECT_S)
        self._quick_s = limits.connect_timeout_s
        self._loaded = loaded
        self._inquiry = Inquiry(
            address.tls, address.login, pack("CLUSTER", "SLOTS"), read=_whole_map, otherwise=_best_map
        )
        self._breaker = Breaker(limits.breaker_failures, limits.breaker_pause_s)
        self._lock = threading.Lock()
        self._asking: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
        self._by_slot: list[str] = []
        self._names: list[str] = []
        self._has_holes = False
        self._loaded_at = self._failed_at = 0.0
        self._failure = ""

    def name(self, slot: int) -> str:
        """Name the server that has a slot; nothing where none is known."""
        return self._by_slot[slot] if self._by_slot else ""

    def names(self) -> Sequence[str]:
        """Name all masters; raises LinkError when some slots have none."""
        if not self._by_slot or self._has_holes:
            raise NotConnectedError("some slots of the Cluster have no master")
        return self._names

    def is_wanting(self) -> bool:
        """Whether it is to be asked for, before it is used."""
        if self._has_holes:
            return time.monotonic() > self._loaded_at + _HOLES_ASKED_AGAIN_AFTER_S
        return not self._by_slot

    def moved(self, slot: int, endpoint: Endpoint) -> None:
        """Remember what a server said of one slot."""
        self.endpoints.setdefault(endpoint.name, endpoint)
        if self._by_slot:
            self._by_slot[slot] = endpoint.name

    def reload(self, lost: str = "") -> None:
        """Ask with patience, the server that was lost last; raises LinkError or ServerError."""
        self._load(self._inquiry.ask(self._row(lost), time.monotonic() + self._patient_s))

    def refresh(self, lost: str = "") -> None:
        """Do so unless somebody has just asked."""
        if not self._is_fresh(time.monotonic()):
            self.reload(lost)

    def refresh_by(self, until: float, lost: str = "") -> None:
        """Ask for a lookup; raises as `refresh` does, BreakerOpenError too."""
        asked_at = time.monotonic()
        self._breaker.check()
        if not self._lock.acquire(timeout=min(left_s(until), self._quick_s)):
            raise NotConnectedError(_STILL_ASKED)
        try:
            if self._is_fresh(asked_at):
                return
            if self._failed_at > asked_at:
                raise NotConnectedError(self._failure)  # somebody has asked while this one waited
            with self._counted():
                found = self._inquiry.ask(self._row(lost), min(until, time.monotonic() + self._quick_s))
            self._load(found)
        finally:
            self._lock.release()

    async def arefresh_by(self, until: float, lost: str = "") -> None:
        """Do what `refresh_by` does, once for all lookups of the running event loop that want to know."""
        import asyncio

        loop = asyncio.get_running_loop()
        asking = self._asking.get(loop)
        if asking is None:
            if self._is_fresh(time.monotonic()):
                return
            self._breaker.check()
            asking = self._asking[loop] = asyncio.ensure_future(self._aload(until, lost))
            asking.add_done_callback(functools.partial(self._asked, loop))
        await asyncio.wait({asking}, timeout=left_s(until) + SAYS_WHY_S)
        if not asking.done():
            raise NotConnectedError(_STILL_ASKED)
        asking.result()

    async def _aload(self, until: float, lost: str) -> None:
        with self._counted():
            found = await self._inquiry.aask(self._row(lost), min(until, time.monotonic() + self._quick_s))
        self._load(found)

    def _asked(self, loop: asyncio.AbstractEventLoop, asking: asyncio.Task[None]) -> None:
        del self._asking[loop]
        if not asking.cancelled():
            asking.exception()  # which those who wait raise, if they still do

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except LinkError as problem:
            self._failed_at, self._failure = time.monotonic(), str(problem)
            self._breaker.failed()
            raise
        self._breaker.succeeded()

    def _is_fresh(self, wanted_at: float) -> bool:
        """Whether it was learned after that moment, or just before."""
        return self._loaded_at > wanted_at - _ASKED_AGAIN_AFTER_S

    def _row(self, lost: str) -> list[Endpoint]:
        if lost in self.endpoints:
            self._inquiry.distrust(self.endpoints[lost])
        return [*(self.endpoints[name] for name in self._names), *self._seeds]

    def _load(self, found: Found) -> None:
        by_slot = [""] * SLOTS
        for slots, master in found:
            self.endpoints[master.name] = master
            by_slot[slots.start : slots.stop] = [master.name] * len(slots)
        names = {master.name for _, master in found}
        self._names, self._has_holes = sorted(names), count_slots(found) < SLOTS
        self._by_slot, self._loaded_at = by_slot, time.monotonic()
        self._loaded(names)


class _HolesError(LinkError):
    """Some slots have no master."""

    def __init__(self, found: Found) -> None:
        super().__init__("some slots have no master")
        self.found = found


def _whole_map(answer: Answer, asked: Endpoint) -> Found:
    found = read_slots(answer, asked.host)
    if count_slots(found) < SLOTS:
        raise _HolesError(found)
    return found


def _best_map(problems: Mapping[Endpoint, Exception]) -> Found:
    holed = [problem.found for problem in problems.values() if isinstance(problem, _HolesError)]
    if any(holed):
        return max(holed, key=count_slots)
    for problem in problems.values():
        if isinstance(problem, ServerError) and problem.code not in TRY_AGAIN:
            raise problem
    said = "; ".join(f"{endpoint.name}: {problem}" for endpoint, problem in problems.items())
    raise NotConnectedError(f"no node of the Cluster says who has which slots: {said}")
