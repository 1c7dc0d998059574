"""Ask servers one after another until one knows, all within one time, on connections for this alone.

The rule: who did not know, or did not answer, is asked last from then on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from featurestore.online.redis.deadline import left_s, turn_ends
from featurestore.online.redis.link import open_link
from featurestore.online.redis.replies import LinkError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from featurestore.online.redis.resp import Answer
    from featurestore.online.redis.uri import Endpoint, Login, Tls

Known = TypeVar("Known")


class Inquiry(Generic[Known]):
    """One question that several servers can answer; shared by threads and event loops.

    Args:
        tls, login: of the servers.
        question: a packed command.
        read: makes something of an answer and of who gave it; raises LinkError when that is of no use.
        otherwise: says what is known when nobody knew, given what was wrong with each; or raises.
    """

    def __init__(
        self,
        tls: Tls | None,
        login: Login,
        question: bytes,
        *,
        read: Callable[[Answer, Endpoint], Known],
        otherwise: Callable[[Mapping[Endpoint, Exception]], Known],
    ) -> None:
        self._tls = tls
        self._login = login
        self._question = question
        self._read = read
        self._otherwise = otherwise
        self._failed_at: dict[Endpoint, float] = {}

    def distrust(self, endpoint: Endpoint) -> None:
        """Ask this one last from now on."""
        self._failed_at[endpoint] = time.monotonic()

    def ask(self, endpoints: Iterable[Endpoint], until: float, *, others: int = 0) -> Known:
        """Ask.

        Args:
            endpoints: whom; in this order, as long as all have answered.
            until: when an answer must be there.
            others: how many other things must be done in the same time.
        """
        steps = self._steps(endpoints, until, others)
        asked, turn = next(steps)
        while True:
            outcome = self._outcome(asked, turn)
            try:
                asked, turn = steps.send(outcome)
            except StopIteration as done:
                known: Known = done.value
                return known

    async def aask(self, endpoints: Iterable[Endpoint], until: float, *, others: int = 0) -> Known:
        """Do what `ask` does, on the running event loop."""
        steps = self._steps(endpoints, until, others)
        asked, turn = next(steps)
        while True:
            outcome = await self._aoutcome(asked, turn)
            try:
                asked, turn = steps.send(outcome)
            except StopIteration as done:
                known: Known = done.value
                return known

    def _outcome(self, asked: Endpoint, turn: float) -> Answer:
        """Return what a server answers, or why it does not."""
        try:
            link = open_link(asked, self._tls, self._login, 0, turn)
            try:
                return link.exchange(self._question, 1, left_s(turn))[0]
            finally:
                link.close()
        except (LinkError, ServerError) as problem:
            return problem

    async def _aoutcome(self, asked: Endpoint, turn: float) -> Answer:
        from featurestore.online.redis.mux import open_mux

        try:
            mux = await open_mux(asked, self._tls, self._login, 0, turn)
            try:
                return (await mux.ask(self._question, 1, left_s(turn)))[0]
            finally:
                mux.close()
        except (LinkError, ServerError) as problem:
            return problem

    def _steps(
        self, endpoints: Iterable[Endpoint], until: float, others: int
    ) -> Generator[tuple[Endpoint, float], Answer, Known]:
        """Yield whom to ask, and until when; takes answers and errors; returns what is known."""
        row = sorted(dict.fromkeys(endpoints), key=lambda each: self._failed_at.get(each, 0.0))
        problems: dict[Endpoint, Exception] = {}
        for number, asked in enumerate(row):
            if problems and time.monotonic() >= until:
                break
            outcome = yield asked, turn_ends(until, len(row) - number + others)
            try:
                known = self._judged(outcome, asked)
            except (LinkError, ServerError) as problem:
                problems[asked] = problem
                self.distrust(asked)
            else:
                self._failed_at.pop(asked, None)
                return known
        return self._otherwise(problems)

    def _judged(self, outcome: Answer, asked: Endpoint) -> Known:
        if isinstance(outcome, (LinkError, ServerError)):
            raise outcome
        return self._read(outcome, asked)
