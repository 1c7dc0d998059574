"""Connections to one Postgres that are kept for the next question; threads, event loops and forks may share the pool.

Every connection is used by one question at a time. One that failed in any other way than by a refusal is closed.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from featurestore.online.postgres.session import LostError, RefusedError, Session, Steps, adrive, connect, drive

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Work = Callable[[Session], Steps[T]]
_LOOK_AGAIN_S = 0.001


class BusyError(Exception):
    """No connection became free in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What belongs to one process: a connection cannot be shared through a fork."""

    slots: threading.Semaphore
    process: int = field(default_factory=os.getpid)
    idle: deque[Session] = field(default_factory=deque)


class Pool:
    """Connections that were opened with one string.

    Args:
        conninfo: how libpq connects.
        size: how many at most.
        connect_timeout_s: for a connection, and for one to become free.
        answer_timeout_s: for one piece of work.
    """

    def __init__(self, conninfo: bytes, *, size: int, connect_timeout_s: float, answer_timeout_s: float) -> None:
        self._conninfo = conninfo
        self._size = size
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._kept = _Kept(slots=threading.Semaphore(size))

    def run(self, work: Work[T], *, is_repeatable: bool = True) -> T:
        """Do work on a connection; once more, on a new one, if the connection turns out to be broken.

        Args:
            work: what to do.
            is_repeatable: whether it may be done twice; if not, a connection that breaks is an error.

        Raises:
            BusyError, UnreachableError, LostError, LateError, RefusedError: what went wrong.
        """
        kept = self._mine()
        if not kept.slots.acquire(timeout=self._connect_timeout_s):
            raise BusyError
        try:
            try:
                return self._run_once(kept, work)
            except LostError:
                if not is_repeatable:
                    raise
                _close_idle(kept)
                return self._run_once(kept, work)
        finally:
            kept.slots.release()

    async def arun(self, work: Work[T]) -> T:
        """Do what `run` does, without blocking the event loop."""
        kept = self._mine()
        until = time.monotonic() + self._connect_timeout_s
        while not kept.slots.acquire(blocking=False):
            if time.monotonic() > until:
                raise BusyError
            await asyncio.sleep(_LOOK_AGAIN_S)
        try:
            try:
                return await self._arun_once(kept, work)
            except LostError:
                _close_idle(kept)
                return await self._arun_once(kept, work)
        finally:
            kept.slots.release()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        _close_idle(self._mine())

    def _run_once(self, kept: _Kept, work: Work[T]) -> T:
        session = _pop(kept)
        if session is None:
            session = drive(connect(self._conninfo), time.monotonic() + self._connect_timeout_s)
        with _returned(session, kept):
            return drive(work(session), time.monotonic() + self._answer_timeout_s)

    async def _arun_once(self, kept: _Kept, work: Work[T]) -> T:
        session = _pop(kept)
        if session is None:
            session = await adrive(connect(self._conninfo), time.monotonic() + self._connect_timeout_s)
        with _returned(session, kept):
            return await adrive(work(session), time.monotonic() + self._answer_timeout_s)

    def _mine(self) -> _Kept:
        """The connections of this process; those of the process that forked are left to it."""
        if self._kept.process != os.getpid():
            self._kept = _Kept(slots=threading.Semaphore(self._size))
        return self._kept


@contextmanager
def _returned(session: Session, kept: _Kept) -> Iterator[None]:
    """Put the connection back if it is as before: also after a refusal, never after a wait that was given up."""
    try:
        yield
    except RefusedError:
        _return(session, kept)
        raise
    except BaseException:
        session.close()
        raise
    _return(session, kept)


def _return(session: Session, kept: _Kept) -> None:
    if session.is_idle:
        kept.idle.append(session)
    else:
        session.close()


def _pop(kept: _Kept) -> Session | None:
    try:
        return kept.idle.pop()
    except IndexError:
        return None


def _close_idle(kept: _Kept) -> None:
    while (session := _pop(kept)) is not None:
        session.close()
