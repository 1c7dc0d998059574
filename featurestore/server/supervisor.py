"""The supervisor: keeps the workers alive, starts the helper when somebody asks it something, and passes signals on.

SIGTERM and SIGINT drain: workers finish what they have and end, then the helper. SIGHUP: they look for a newer registry
version. It answers no request itself.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from featurestore.errors import OperationError
from featurestore.server.backoff import Backoff
from featurestore.server.bind import bind_unix
from featurestore.server.child import Child
from featurestore.server.config import write_config
from featurestore.server.helper_calls import helper_socket
from featurestore.server.log.at_worker import has_waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from featurestore.server.config import ServerConfig

logger = logging.getLogger("featurestore.server")

_WORKER, _HELPER = "featurestore.server.worker", "featurestore.server.helper"
_START_S = 60.0
_LEFT_TO_DRAIN_S = 15.0
"""Beyond `ServerConfig.drain_s`, before a child is killed."""
_LAST_LOAD_S = 10.0
"""What the helper has at least; a load that is killed is done again by the next server."""


class Supervisor:
    """Runs workers until it is told to end. For the main thread.

    Args:
        config: for the workers.
        listener: what they answer on; closed at the end.
        workers: how many.
    """

    def __init__(self, config: ServerConfig, listener: socket.socket, workers: int) -> None:
        self._config = config
        self._line = write_config(config)
        self._listener = listener
        self._count = workers
        self._workers: list[Child] = []
        self._helper: Child | None = None
        self._helper_listener = bind_unix(helper_socket(config.state_dir), mode=0o600)
        self._is_ending = False
        self._worker_pauses, self._helper_pauses = Backoff(), Backoff()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)

    def run(self, on_ready: Callable[[], None]) -> None:
        """Run; returns when all processes have ended.

        Args:
            on_ready: called once, when all workers answer requests.

        Raises:
            OperationError: the first workers ended before they answered a request.
        """
        before = {each: signal.signal(each, self._on_signal) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        waked = signal.set_wakeup_fd(self._waker.fileno())
        try:
            self._start_missing()
            self._wait_for_first(on_ready)
            while not self._is_ending:
                self._sleep(1.0)
                self._replace_dead()
        finally:
            self._end_all()
            signal.set_wakeup_fd(waked)
            for each, handler in before.items():
                signal.signal(each, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            for worker in self._workers:
                if worker.is_ready:  # one that starts reads the newest version anyway, and would die of the signal
                    worker.send(signal.SIGHUP)
        else:
            self._is_ending = True

    def _start_missing(self) -> None:
        while len(self._workers) < self._count and self._worker_pauses.may_start:
            started = self._start(_WORKER, self._listener, self._worker_pauses)
            if started is not None:
                self._workers.append(started)

    def _start(self, module: str, listener: socket.socket, pauses: Backoff) -> Child | None:
        """Start a child; None, and a pause, when the machine has no room for a process now."""
        try:
            return Child(module, self._line, [listener.fileno()])
        except OSError as problem:
            logger.error("%s cannot be started: %s; it is tried again", module, problem)
            pauses.ended(0.0)
            return None

    def _wait_for_first(self, on_ready: Callable[[], None]) -> None:
        until = time.monotonic() + _START_S
        while not self._is_ending:
            if any(worker.exit_code is not None for worker in self._workers) or time.monotonic() > until:
                raise OperationError("a worker ended before it answered a request", hint="its reason stands above")
            if all(worker.is_ready for worker in self._workers):
                on_ready()
                return
            self._sleep(0.2)

    def _replace_dead(self) -> None:
        """Start a child for each that ended; the sooner they die, the longer the pause."""
        for worker in [worker for worker in self._workers if worker.exit_code is not None]:
            self._bury(worker, "worker", self._worker_pauses)
            self._workers.remove(worker)
        if self._helper is not None and self._helper.exit_code is not None:
            self._bury(self._helper, "helper", self._helper_pauses)
            self._helper = None
        self._start_missing()

    def _bury(self, child: Child, name: str, pauses: Backoff) -> None:
        pauses.ended(time.monotonic() - child.started_at)
        logger.warning("%s %d ended with code %s; another starts", name, child.number, child.exit_code)
        child.release()

    def _sleep(self, seconds: float) -> None:
        """Wait for a signal, a worker's first word, somebody who wants the helper, or so long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            if self._helper is None and self._helper_pauses.may_start:
                selector.register(self._helper_listener, selectors.EVENT_READ)
            for worker in self._workers:
                if not worker.is_ready and worker.exit_code is None:
                    selector.register(worker.status, selectors.EVENT_READ, worker)
            for key, _ in selector.select(seconds):
                if isinstance(key.data, Child):
                    key.data.read_status()
                elif key.fileobj is self._helper_listener:
                    self._helper = self._start(_HELPER, self._helper_listener, self._helper_pauses)
                else:
                    with suppress(BlockingIOError):
                        self._wake.recv(4_096)

    def _end_all(self) -> None:
        """Workers first: what they have answered, the helper still finishes, and loads what they have logged."""
        self._listener.close()
        for worker in self._workers:
            worker.send(signal.SIGTERM)
        until = time.monotonic() + self._config.drain_s + _LEFT_TO_DRAIN_S
        while any(worker.exit_code is None for worker in self._workers) and time.monotonic() < until:
            self._sleep(0.05)  # what they have begun may need the helper
        for worker in self._workers:
            worker.end(until)
        if self._helper is None and has_waiting(self._config.spool):
            self._helper = self._start(_HELPER, self._helper_listener, self._helper_pauses)
        if self._helper is not None:
            until = max(until, time.monotonic() + _LAST_LOAD_S)
            self._helper.wait_until_ready(until)  # before that, a signal would just kill it
            self._helper.send(signal.SIGTERM)
            self._helper.end(until)
        self._helper_listener.close()
        self._wake.close()
        self._waker.close()
