"""The supervisor: binds the address, keeps the workers alive, and passes signals on. It answers no request itself.

SIGTERM and SIGINT drain: the workers finish what they have and end. SIGHUP: they look for a newer registry version.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import BackendError, OperationError, UsageError
from featurestore.server.config import write_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from featurestore.server.config import ServerConfig

_BACKLOG = 2_048
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_LIVED_S = 10.0
"""A worker that lived so long did not die of how it was started."""
_START_S = 60.0
_LEFT_TO_DRAIN_S = 5.0
"""Beyond `ServerConfig.drain_s`, before a worker is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen.

    Attributes:
        host, port: of TCP; port 0 is any that is free.
        unix_socket: a path, in place of them.
    """

    host: str = "127.0.0.1"
    port: int = 6566
    unix_socket: Path | None = None


class _Worker:
    """A worker's process; the one that takes its place has its number."""

    def __init__(self, config: bytes, listener: socket.socket, number: int) -> None:
        self.number = number
        self.status, status = os.pipe()
        numbers = map(str, (listener.fileno(), status, number))
        command = [sys.executable, "-m", "featurestore.server.worker", *numbers]
        self.process = subprocess.Popen(  # noqa: S603  our own module
            command, stdin=subprocess.PIPE, pass_fds=(listener.fileno(), status), start_new_session=True
        )
        os.close(status)
        self.started_at = time.monotonic()
        self.is_ready = False
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it is dead already, which is seen
            self.process.stdin.write(config)
            self.process.stdin.flush()

    def read_status(self) -> None:
        """Take in that it answers requests, or that it ended before."""
        self.is_ready = self.is_ready or bool(os.read(self.status, 64))

    def release(self) -> None:
        """Give back what the supervisor holds of it."""
        os.close(self.status)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()


class Supervisor:
    """Runs workers until it is told to end. For the main thread."""

    def __init__(self, config: ServerConfig, listener: socket.socket, workers: int) -> None:
        self._config = config
        self._line = write_config(config)
        self._listener = listener
        self._count = workers
        self._workers: list[_Worker] = []
        self._is_ending = False
        self._pause_s = _FIRST_PAUSE_S
        self._start_at = 0.0
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)

    def run(self, on_ready: Callable[[], None]) -> None:
        """Run; returns when all workers have ended.

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
                worker.process.send_signal(signal.SIGHUP)
        else:
            self._is_ending = True

    def _start_missing(self) -> None:
        for number in sorted(set(range(self._count)) - {worker.number for worker in self._workers}):
            self._workers.append(_Worker(self._line, self._listener, number))

    def _wait_for_first(self, on_ready: Callable[[], None]) -> None:
        until = time.monotonic() + _START_S
        while not self._is_ending:
            dead = next((each for each in self._workers if each.process.poll() is not None), None)
            if dead is not None or time.monotonic() > until:
                raise OperationError("a worker ended before it answered a request", hint="its reason stands above")
            if all(worker.is_ready for worker in self._workers):
                on_ready()
                return
            self._sleep(0.2)

    def _replace_dead(self) -> None:
        """Start a worker for each that ended; the sooner they die, the longer the pause."""
        dead = [worker for worker in self._workers if worker.process.poll() is not None]
        for worker in dead:
            lived_s = time.monotonic() - worker.started_at
            self._pause_s = _FIRST_PAUSE_S if lived_s > _LIVED_S else min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._start_at = time.monotonic() + (0 if lived_s > _LIVED_S else self._pause_s)
            sys.stderr.write(
                f"worker {worker.process.pid} ended with code {worker.process.returncode}; another starts\n"
            )
            self._workers.remove(worker)
            worker.release()
        if time.monotonic() >= self._start_at:
            self._start_missing()

    def _sleep(self, seconds: float) -> None:
        """Wait for a signal (a child's end is none), a worker's word, or so long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            for worker in self._workers:
                if not worker.is_ready and worker.process.poll() is None:
                    selector.register(worker.status, selectors.EVENT_READ, worker)
            for key, _ in selector.select(seconds):
                if isinstance(key.data, _Worker):
                    key.data.read_status()
                else:
                    with suppress(BlockingIOError):
                        self._wake.recv(4_096)

    def _end_all(self) -> None:
        self._listener.close()
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._config.drain_s + _LEFT_TO_DRAIN_S
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.release()


def bind(address: Address) -> socket.socket:
    """Bind an address and listen.

    Raises:
        UsageError: an address that is none.
        BackendError: it is taken, or not this machine's.
    """
    if address.unix_socket is not None:
        return _bind_unix(address.unix_socket)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise UsageError(f"expected an address of this machine, got {address.host!r}", where="--host") from problem
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
    except OSError as problem:
        listener.close()
        hint = "end what listens there, or give another --port"
        raise BackendError(
            f"cannot listen on {address.host}:{address.port}: {problem.strerror}", hint=hint
        ) from problem
    listener.listen(_BACKLOG)
    return listener


def _bind_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(str(path))
    except OSError as problem:
        listener.close()
        raise BackendError(f"cannot listen on {path}: {problem.strerror}", where="--uds") from problem
    path.chmod(0o660)
    listener.listen(_BACKLOG)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nobody listens any more. Raises OSError when somebody does, or it is something else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(17, "there is a file of this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(98, "another server listens there")
    path.unlink()
