"""What a sync cannot beat: decode every column of the view once, and send prebuilt SET commands to the server.

Usage: ``python -m benchmarks.sync_limit --size L --online redis://...``; prints one JSON line.
"""

from __future__ import annotations

import argparse
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from benchmarks.clock import measured, report
from benchmarks.data import SIZES, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW_BYTES = 110
"""About what a row of 8 features takes, header included."""
COMMANDS_PER_SEND = 1_000
_DECODED = {
    "VARCHAR": "max(length({}))",
    "BIGINT": "bit_xor({})",
    "INTEGER": "bit_xor({})",
    "DOUBLE": "sum({})",
    "FLOAT": "sum({})",
    "TIMESTAMP": "max(epoch_us({}) + 1)",
    "BOOLEAN": "count_if({})",
}
"""A cheap aggregate per type that no statistic can answer."""


def scan(size: Size) -> None:
    """Decode all columns of the first view; sums and greatest values, so that no statistic answers in their place."""
    with duckdb.connect(str(size.database), read_only=True) as connection:
        columns = connection.execute("DESCRIBE driver_0").fetchall()
        decoded = ", ".join(_DECODED[kind].format(name) for name, kind, *_ in columns)
        connection.execute(f"SELECT {decoded} FROM driver_0").fetchall()


def send(rows: int, uri: str) -> Iterator[None]:
    """Build so many SETs, yield, then send them, a thousand at a time, and read that they were done."""
    parts = urlsplit(uri)
    value = b"x" * ROW_BYTES
    commands = []
    for number in range(rows):
        key = b"fs:limit:v@0:{%d}" % number
        commands.append(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value))
    sends = [b"".join(commands[at : at + COMMANDS_PER_SEND]) for at in range(0, rows, COMMANDS_PER_SEND)]
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379)) as connection:
        yield
        for number, each in enumerate(sends):
            connection.sendall(each)
            if number:
                _read(connection, COMMANDS_PER_SEND)
        _read(connection, rows - COMMANDS_PER_SEND * (len(sends) - 1))


def _read(connection: socket.socket, answers: int) -> None:
    left = answers * len(b"+OK\r\n")
    while left:
        left -= len(connection.recv(min(left, 1 << 20)))


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", required=True, choices=sorted(SIZES))
    parser.add_argument("--online", required=True)
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    sending = send(size.entities, arguments.online)
    next(sending)
    with measured() as used:
        scan(size)
        next(sending, None)
    report(used, rows=size.entities)


if __name__ == "__main__":
    main()
