"""A generator of HTTP load over kept connections; runs in a process of its own, prints one JSON line.

Closed: each connection asks again as soon as it is answered. Open: requests are due at a fixed rate, and a latency is
counted from when its request was due, so that a server that stalls is charged for all that had to wait.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import select
import socket
import time
from array import array
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_READ_BYTES = 1 << 16


@dataclass(kw_only=True)
class Tally:
    """What was seen."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    errors: dict[str, int] = field(default_factory=dict)

    def fail(self, why: str) -> None:
        """Count an answer that is none."""
        self.errors[why] = self.errors.get(why, 0) + 1


class Connection:
    """One kept connection; asks one thing at a time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = self._open()
        self.due = 0.0
        self._received = b""
        self._whole = 0

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self.address, timeout=30)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time."""
        self.due, self._received, self._whole = due, b"", 0
        self.socket.sendall(request)

    def take(self) -> int | None:
        """Read what came; the status when the answer is whole, 0 when the server closed, None while it is not."""
        part = self.socket.recv(_READ_BYTES)
        if not part:
            return 0
        self._received = received = self._received + part if self._received else part
        if not self._whole:
            head = received.find(_END)
            if head < 0:
                return None
            length = _LENGTH.search(received, 0, head)
            self._whole = head + len(_END) + (int(length[1]) if length else 0)
        return int(received[9:12]) if len(received) >= self._whole else None

    def reopen(self) -> None:
        """Connect anew."""
        self.socket.close()
        self.socket = self._open()


def requests_of(path: Path, address: tuple[str, int], header: str) -> list[bytes]:
    """The requests of a file, one JSON body per line, in another order."""
    bodies = path.read_bytes().splitlines()
    random.Random(7).shuffle(bodies)
    extra = f"{header}\r\n" if header else ""
    return [
        f"POST /get-online-features HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Type: application/json\r\n"
        f"{extra}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]


def drive(arguments: argparse.Namespace) -> Tally:
    """Ask for `seconds`; at `rate` requests a second, or as fast as answers come when it is 0."""
    address = (arguments.host, arguments.port)
    requests = requests_of(arguments.bodies, address, arguments.header)
    connections = [Connection(address) for _ in range(arguments.connections)]
    tally, asked = Tally(), 0
    started = time.perf_counter()
    until = started + arguments.seconds
    free = deque(connections)
    asking = {connection.socket.fileno(): connection for connection in connections}
    with select.epoll() as events:
        for number in asking:
            events.register(number, select.EPOLLIN)
        while True:
            now = time.perf_counter()
            while free and now < until:
                due = started + asked / arguments.rate if arguments.rate else now
                if due > now:
                    break
                free.popleft().ask(requests[asked % len(requests)], due)
                asked += 1
                now = time.perf_counter()
            if now >= until and len(free) == len(connections):
                return tally
            if arguments.rate and free and now < until:
                # Polling alone sleeps whole milliseconds; not to sleep would take the core from the store beside it.
                select.select([events], [], [], max(0.0, started + asked / arguments.rate - now))
                ready = events.poll(0)
            else:
                ready = events.poll(1.0)
            for number, _ in ready:
                connection = asking[number]
                status = connection.take()
                if status is None:
                    continue
                if status == 200:
                    tally.latencies.append(time.perf_counter() - connection.due)
                else:
                    tally.fail(str(status))
                if status == 0:
                    del asking[number]  # a closed socket leaves by itself
                    connection.reopen()
                    asking[connection.socket.fileno()] = connection
                    events.register(connection.socket.fileno(), select.EPOLLIN)
                free.append(connection)


def line_of(tally: Tally, seconds: float) -> dict[str, object]:
    """The measures of a run."""
    ordered = sorted(tally.latencies)

    def at(share: float) -> float:
        return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if ordered else 0.0

    return {
        "per_s": round(len(ordered) / seconds, 1),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "p999_ms": at(0.999),
        "max_ms": at(1.0),
        "errors": sum(tally.errors.values()),
        "kinds": tally.errors,
    }


def main() -> None:
    """Run one load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0 is as fast as answers come")
    parser.add_argument("--header", default="", help="one more header line")
    arguments = parser.parse_args()
    print(json.dumps(line_of(drive(arguments), arguments.seconds)))


if __name__ == "__main__":
    main()
