"""A worker: one light process that answers requests on the socket it was handed.

Started as ``python -m featurestore.server.worker SOCKET STATUS``, two file descriptors; its `ServerConfig` is the first
line of its standard input. The end of that input is the end of the supervisor: the worker drains then, as on SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from featurestore.errors import FeatureStoreError
from featurestore.online.open import open_online_store
from featurestore.registry.read import read_latest_document
from featurestore.server.app import build
from featurestore.server.config import read_config
from featurestore.server.connection import connections
from featurestore.server.exposure import hosts_to_check
from featurestore.server.instruments import make_instruments
from featurestore.server.log.at_worker import keep_loading
from featurestore.server.logs import set_up_logs
from featurestore.server.served import Newest, settle
from featurestore.server.slow_clients import close_slow_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.server.app import Application
    from featurestore.server.config import ServerConfig
    from featurestore.server.instruments import Instruments

logger = logging.getLogger("featurestore.server")

READY = b"ready\n"
_BACKLOG = 2_048
_ALL_CLOSED_S, _LAST_REQUESTS_S = 0.2, 0.5
"""When the server is told to end: within the first all workers have stopped listening, so that clients who are told to
leave do not come to another that is about to; what comes on a kept connection within the second is still answered."""


class _Server(uvicorn.Server):
    """Uvicorn's server; the signals are the worker's own, and no request is cut that is on its way when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection; tell those that are kept that each next answer is their last; then end as uvicorn."""
        for server in self.servers:
            server.close()
        if self.config.timeout_graceful_shutdown:
            await self._wait_for_clients(_ALL_CLOSED_S)
            self.server_state.default_headers.append((b"connection", b"close"))
            await self._wait_for_clients(_LAST_REQUESTS_S)
        await super().shutdown(sockets)

    async def _wait_for_clients(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(0.01)


def main() -> int:
    """Run a worker until it is told to end; returns its exit code."""
    listener, status = int(sys.argv[1]), int(sys.argv[2])
    config = read_config(sys.stdin.buffer.readline())
    set_up_logs()
    try:
        document = read_latest_document(config.registry, config.base_dir)
        store = open_online_store(config.online_store, project=document.content.name, base_dir=config.base_dir)
    except FeatureStoreError as problem:
        logger.error("%s", problem)
        return problem.exit_code
    newest = Newest(config, document, store)
    instruments = make_instruments(config, newest)
    served_on = socket.socket(fileno=listener)
    app = build(config, newest, store, instruments, hosts=hosts_to_check(served_on, config.settings))
    settle()
    try:
        uvloop.run(_work(config, newest, app, instruments, served_on, status))
    finally:
        store.close()
    return 0


async def _work(
    config: ServerConfig,
    newest: Newest,
    app: Application,
    instruments: Instruments,
    listener: socket.socket,
    status: int,
) -> None:
    server = _Server(_uvicorn_config(config, app))
    _obey(server, newest)

    def end_with(task: asyncio.Task[None]) -> None:
        """A worker without one of these would seem to be well: it ends, and another starts."""
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the worker failed", exc_info=task.exception())
            server.should_exit = True

    beside = (
        _look_again(config, newest),
        _tell_when_ready(server, status),
        close_slow_clients(server.server_state.connections, config.settings.limits),
        instruments.run(),
        keep_loading(config.state_dir, instruments.feature_log),
    )
    tasks = [asyncio.create_task(each) for each in beside]
    for task in tasks:
        task.add_done_callback(end_with)
    await server.serve(sockets=[listener])
    for task in tasks:
        task.cancel()
    await instruments.close()


def _uvicorn_config(config: ServerConfig, app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app.everything,
        http=connections(app.lookups, config.settings),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(config.drain_s),
        ssl_certfile=None if config.certificate is None else str(config.certificate),
        ssl_keyfile=None if config.private_key is None else str(config.private_key),
    )


def _obey(server: uvicorn.Server, newest: Newest) -> None:
    """Drain on SIGTERM and when the supervisor is gone; look for a newer registry version on SIGHUP."""
    loop = asyncio.get_running_loop()

    def drain() -> None:
        server.should_exit = True

    def look_at_once() -> None:
        newest.look(at_once=True)

    def read_input() -> None:
        if not os.read(sys.stdin.fileno(), 4_096):
            loop.remove_reader(sys.stdin.fileno())
            drain()

    loop.add_signal_handler(signal.SIGTERM, drain)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, look_at_once))
    loop.add_reader(sys.stdin.fileno(), read_input)


async def _look_again(config: ServerConfig, newest: Newest) -> None:
    while config.reload_s:
        await asyncio.sleep(config.reload_s)
        await asyncio.to_thread(newest.look)


async def _tell_when_ready(server: uvicorn.Server, status: int) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    os.write(status, READY)
    os.close(status)


if __name__ == "__main__":
    sys.exit(main())
