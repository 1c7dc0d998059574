"""The helper: one process beside the workers, for what needs Arrow or the warehouse.

Started by the supervisor as ``python -m featurestore.server.helper SOCKET STATUS`` when somebody asks for it; what may
be asked stands in `helper_calls`. On SIGTERM it finishes what it has begun, interrupts a sync, and ends.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import FeatureStoreError
from featurestore.server.config import read_config
from featurestore.server.helper_calls import LENGTH_BYTES, MOST_BYTES, Call, Reply, SyncAsked, framed
from featurestore.server.jobs import Jobs
from featurestore.server.log.at_helper import LogLoads
from featurestore.server.logs import set_up_logs
from featurestore.server.problems import Answer, RefusedError, explain
from featurestore.server.pushes import Pushes

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.server.config import ServerConfig

logger = logging.getLogger("featurestore.server")

_THREADS = 8
_MOST_PENDING = 64
_PAUSE_S = 0.1
_PATIENCE_S = 10.0
"""How long a worker may take to say what it asks; it is on this machine."""


class Helper:
    """Answers the workers' questions, each in a thread."""

    def __init__(self, config: ServerConfig) -> None:
        self._jobs = Jobs(config)
        self._pushes = Pushes(config)
        self._log = LogLoads(config)

    def answer(self, call: Call) -> Answer:
        """Answer one question."""
        if call.kind == "push":
            return self._pushes.push(call.body)
        if call.kind == "write":
            return self._pushes.write(call.body)
        if call.kind == "materialize":
            return self._jobs.start(msgspec.json.decode(call.body, type=SyncAsked))
        if call.kind == "job":
            return self._jobs.find(call.body.decode())
        if call.kind == "jobs":
            return self._jobs.all()
        if call.kind == "load_log":
            return self._log.load()
        raise RefusedError(404, "there is no such question")

    def serve(self, connection: socket.socket) -> None:
        """Answer on one connection; whoever asked may have gone meanwhile."""
        with connection:
            connection.settimeout(_PATIENCE_S)
            packed = None
            with suppress(OSError):
                packed = _read(connection)
            if packed is not None:
                _reply(connection, self._answered(msgspec.msgpack.decode(packed, type=Call)))

    def _answered(self, call: Call) -> Answer:
        try:
            return self.answer(call)
        except Exception as problem:  # noqa: BLE001  a defect is logged with its traceback, under the id that is answered
            return explain(problem, call.request_id)

    def interrupt(self) -> None:
        """End a sync that runs."""
        self._jobs.end()

    def close(self) -> None:
        """Load what the workers have left of the feature log, and let go of the store."""
        self._log.finish()
        self._pushes.close()


def _reply(connection: socket.socket, answer: Answer) -> None:
    with suppress(OSError):  # whoever asked has gone
        connection.sendall(framed(Reply(answer.status, answer.body, answer.headers)))


def _read(connection: socket.socket) -> bytes | None:
    """Read one message; None when there is none: a connection may only ask whether somebody listens."""
    head = _exactly(connection, LENGTH_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    return _exactly(connection, length) if length <= MOST_BYTES else None


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _log_failure(done: Future[None]) -> None:
    problem = done.exception()
    if problem is not None:
        logger.error("a question was not answered", exc_info=problem)


def main() -> int:
    """Answer until told to end; returns the exit code."""
    listener, status = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    config = read_config(sys.stdin.buffer.readline())
    set_up_logs()
    ended, ender = socket.socketpair()
    signal.signal(signal.SIGTERM, lambda *_: ender.send(b"."))
    try:
        helper = Helper(config)
    except FeatureStoreError as problem:
        logger.error("the helper cannot start: %s", problem)
        return problem.exit_code
    os.write(status, b"ready\n")
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="call") as threads:
        _accept_until(ended, listener, lambda connection: threads.submit(helper.serve, connection))
        helper.interrupt()
    helper.close()
    return 0


def _accept_until(
    ended: socket.socket, listener: socket.socket, serve: Callable[[socket.socket], Future[None]]
) -> None:
    """Take connections until told to end; beyond so many they wait in the listener's own queue."""
    listener.setblocking(False)
    pending: set[Future[None]] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)  # its end is the supervisor's
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if ready != {listener}:
                return
            pending = {each for each in pending if not each.done()}
            if len(pending) >= _MOST_PENDING:
                wait(pending, timeout=_PAUSE_S, return_when=FIRST_COMPLETED)
                continue
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError as problem:  # too many files are open: others end meanwhile
                logger.error("a question cannot be taken: %s", problem)
                time.sleep(_PAUSE_S)
                continue
            done = serve(connection)
            done.add_done_callback(_log_failure)
            pending.add(done)


if __name__ == "__main__":
    sys.exit(main())
