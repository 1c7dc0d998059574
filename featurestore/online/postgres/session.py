"""A connection to Postgres by libpq, where every wait has a deadline: in a thread or in an event loop.

Shape: what is done with a connection is a generator of waits (`Steps`), driven by `drive` or `adrive`. psycopg's own
cursors wait for a silent server for as long as it is silent; a lookup must not.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import pq

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

T = TypeVar("T")
READABLE, WRITABLE = selectors.EVENT_READ, selectors.EVENT_WRITE
Steps = Generator["tuple[int, int]", None, T]
"""Yields (file descriptor, events to wait for); returns the answer."""

BYTES, TEXT, INT8, FLOAT8, BYTES_ARRAY, TEXT_ARRAY, INT8_ARRAY = 17, 25, 20, 701, 1001, 1009, 1016
"""Types of parameters, by Postgres's numbers."""
_COPY_CHUNK_BYTES = 1 << 20
_GONE = ("57P01", "57P02", "57P03", "08006", "08003")
_POLL = {pq.PollingStatus.READING: READABLE, pq.PollingStatus.WRITING: WRITABLE}


class RefusedError(Exception):
    """The server refused a statement.

    Args:
        state: the five letters of SQLSTATE.
        said: its first line.
    """

    def __init__(self, state: str, said: str) -> None:
        self.state = state
        super().__init__(said)


class UnreachableError(Exception):
    """No connection could be made."""


class LostError(Exception):
    """The connection broke."""


class LateError(Exception):
    """The server did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One statement.

    Attributes:
        sql: with ``$1``; parameters and results are binary.
        types: of the parameters.
        name: it is prepared under this name at the first use on a connection; empty for never.
    """

    sql: str
    types: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One connection, and the statements prepared on it."""

    connection: PGconn
    prepared: set[str] = field(default_factory=set)

    @property
    def is_idle(self) -> bool:
        """Whether the next one may use it."""
        found = self.connection
        return found.status == pq.ConnStatus.OK and found.transaction_status == pq.TransactionStatus.IDLE

    def close(self) -> None:
        """End it."""
        self.connection.finish()


def connect(conninfo: bytes) -> Steps[Session]:
    """Open a connection.

    Raises:
        UnreachableError: says libpq's reason.
    """
    connection = pq.PGconn.connect_start(conninfo)
    while True:
        if connection.status == pq.ConnStatus.BAD:
            raise UnreachableError(_first_line(connection.get_error_message()))
        state = connection.connect_poll()
        if state == pq.PollingStatus.OK:
            break
        if state == pq.PollingStatus.FAILED:
            raise UnreachableError(_first_line(connection.get_error_message()))
        yield connection.socket, _POLL[pq.PollingStatus(state)]
    connection.nonblocking = 1
    return Session(connection=connection)


def ask(session: Session, question: Question, parameters: Sequence[bytes | None] = ()) -> Steps[PGresult]:
    """Run one statement.

    Args:
        session: the connection.
        question: the statement.
        parameters: in Postgres's binary form.

    Raises:
        RefusedError: by the server.
        LostError: the connection broke.
    """
    connection, sql, formats = session.connection, question.sql.encode(), [pq.Format.BINARY] * len(parameters)
    try:
        if not question.name:
            connection.send_query_params(sql, parameters, question.types, formats, pq.Format.BINARY)
        else:
            name = question.name.encode()
            if question.name not in session.prepared:
                connection.send_prepare(name, sql, question.types)
                yield from _answer(connection)
                session.prepared.add(question.name)
            connection.send_query_prepared(name, parameters, formats, pq.Format.BINARY)
    except psycopg.Error as problem:
        raise LostError(_first_line(str(problem))) from problem
    return (yield from _answer(connection))


def copy_in(session: Session, sql: str, rows: bytes | memoryview) -> Steps[int]:
    """Run a COPY ... FROM STDIN; returns how many rows were stored.

    Raises:
        RefusedError: by the server; nothing was stored.
        LostError: the connection broke.
    """
    connection = session.connection
    yield from ask(session, Question(sql=sql))
    try:
        for start in range(0, len(rows), _COPY_CHUNK_BYTES):
            while not connection.put_copy_data(rows[start : start + _COPY_CHUNK_BYTES]):
                yield connection.socket, WRITABLE
            yield from _flush(connection)
        while not connection.put_copy_end():
            yield connection.socket, WRITABLE
    except psycopg.Error as problem:
        raise LostError(_first_line(str(problem))) from problem
    result = yield from _answer(connection)
    return result.command_tuples or 0


def _flush(connection: PGconn) -> Steps[None]:
    while connection.flush():
        # The server may want to be read before it reads on.
        yield connection.socket, READABLE | WRITABLE
        connection.consume_input()


def _answer(connection: PGconn) -> Steps[PGresult]:
    """Wait for the last result of what was sent; after a COPY has begun that is the result which says so."""
    last: PGresult | None = None
    try:
        yield from _flush(connection)
        while True:
            while connection.is_busy():
                yield connection.socket, READABLE
                connection.consume_input()
            result = connection.get_result()
            if result is None:
                break
            if last is None or last.status != pq.ExecStatus.FATAL_ERROR:
                last = result
            if result.status == pq.ExecStatus.COPY_IN:
                break
    except psycopg.Error as problem:
        raise LostError(_first_line(str(problem))) from problem
    assert last is not None, "an answer without a result"
    if last.status == pq.ExecStatus.FATAL_ERROR:
        state = (last.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        said = _first_line(last.get_error_message())
        if not state or state in _GONE or connection.status == pq.ConnStatus.BAD:
            raise LostError(said)
        raise RefusedError(state, said)
    return last


def drive(steps: Steps[T], deadline: float) -> T:
    """Take steps, in this thread.

    Args:
        steps: what to do.
        deadline: by `time.monotonic`.

    Raises:
        LateError: the deadline passed.
    """
    try:
        with selectors.DefaultSelector() as selector:
            while True:
                place, events = next(steps)
                selector.register(place, events)
                if not selector.select(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise LateError
                selector.unregister(place)
    except StopIteration as done:
        answer: T = done.value
        return answer


async def adrive(steps: Steps[T], deadline: float) -> T:
    """Do what `drive` does, without blocking the event loop."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            place, events = next(steps)
        except StopIteration as done:
            answer: T = done.value
            return answer
        ready: asyncio.Future[None] = loop.create_future()
        if events & READABLE:
            loop.add_reader(place, _set, ready)
        if events & WRITABLE:
            loop.add_writer(place, _set, ready)
        timer = loop.call_later(max(0.0, deadline - time.monotonic()), _give_up, ready)
        try:
            await ready
        finally:
            timer.cancel()
            loop.remove_reader(place)
            loop.remove_writer(place)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _give_up(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_exception(LateError())


def _first_line(said: str) -> str:
    return next((line.strip() for line in said.splitlines() if line.strip()), "the connection was closed")
