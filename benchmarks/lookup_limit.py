"""The limit of a lookup: the same rows as our client reads, through the leanest client, as bytes.

Usage: ``python -m benchmarks.lookup_limit --folder F --online URI ARGS...``
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.lookup import cases, latencies
from benchmarks.project import NAME
from benchmarks.question import add_arguments, question_of

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--folder")
    parser.add_argument("--online", required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    size = question_of(arguments).size
    read = _sqlite(arguments.online) if arguments.online.startswith("sqlite:") else _redis(arguments.online)
    for case in cases(size, arguments.views):

        def ask(ids: list[int], views: int = case.views) -> object:
            found = read(
                [
                    b"fs:%b@0:{%d}" % (b"%b:driver_%d" % (NAME.encode(), view), number)
                    for view in range(views)
                    for number in ids
                ]
            )
            assert None not in found
            return found

        print(latencies(case, ask, arguments.seconds), flush=True)


def _sqlite(uri: str) -> Callable[[list[bytes]], list[object]]:
    connection = sqlite3.connect(uri.removeprefix("sqlite:"))

    def read(keys: list[bytes]) -> list[object]:
        marks = ", ".join("?" * len(keys))
        found = dict(connection.execute(f"SELECT key, value FROM kv WHERE key IN ({marks})", keys).fetchall())
        return [found.get(key) for key in keys]

    return read


def _redis(uri: str) -> Callable[[list[bytes]], list[object]]:
    import hiredis

    place = urlsplit(uri)
    connection = socket.create_connection((place.hostname, place.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = hiredis.Reader()

    def read(keys: list[bytes]) -> list[object]:
        connection.sendall(hiredis.pack_command((b"MGET", *keys)))
        found = reader.gets()
        while found is False:
            reader.feed(connection.recv(1 << 20))
            found = reader.gets()
        assert isinstance(found, list)
        return found

    return read


if __name__ == "__main__":
    main()
