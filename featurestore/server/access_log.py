"""The access log: one JSON object per request on standard output, written beside the requests, never before them.

The rule: what is logged is who asked for how much and what came of it; no body, no key, no query string. A reader that
does not keep up loses lines, which are counted, and holds up nobody.
"""

from __future__ import annotations

import os
import select
import threading
from datetime import datetime
from queue import SimpleQueue

import msgspec

_LONGEST_QUEUE_BYTES = 8 << 20
_ATOMIC_BYTES = 4_096
"""A pipe keeps so much in one piece, so that the lines of several workers never mix."""
_LAST_WORDS_S = 2.0


class Line(msgspec.Struct, omit_defaults=True):
    """One request.

    Attributes:
        at: when it was answered, UTC.
        service: the feature service that was named.
        entities, features: how many of each were answered.
        status: HTTP's; 499 when the client went away first.
        ms: from the request's head to the answer's last byte, milliseconds.
        client: its address; none on a Unix socket.
        key: the name of the API key that was used.
    """

    at: datetime
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    service: str = ""
    entities: int = 0
    features: int = 0
    client: str = ""
    key: str = ""


_encode_into = msgspec.json.Encoder().encode_into


class AccessLog:
    """The log of one worker.

    Args:
        output: a file descriptor.

    Attributes:
        dropped: how many lines nobody read in time.
    """

    def __init__(self, output: int) -> None:
        self._output = output
        self._lines = bytearray()
        self._handed: SimpleQueue[bytearray | None] = SimpleQueue()
        self._is_writing = False
        self._writer = threading.Thread(target=self._write_all, name="access log", daemon=True)
        self._writer.start()
        self.dropped = 0

    def add(self, line: Line) -> None:
        """Note a request."""
        if len(self._lines) >= _LONGEST_QUEUE_BYTES:
            self.dropped += 1
            return
        _encode_into(line, self._lines, -1)
        self._lines += b"\n"

    def flush(self) -> None:
        """Have what was noted written; to be called a few times a second."""
        if self._lines and not self._is_writing:
            self._is_writing = True
            self._handed.put(self._lines)
            self._lines = bytearray()

    def close(self) -> None:
        """Write the rest; a reader that does not read it within two seconds goes without."""
        self._handed.put(self._lines)
        self._handed.put(None)
        self._writer.join(_LAST_WORDS_S)

    def _write_all(self) -> None:
        while (lines := self._handed.get()) is not None:
            try:
                _write(self._output, lines)
            except OSError:  # nobody reads any more, or the disk is full
                self.dropped += lines.count(b"\n")
            self._is_writing = False


def _write(output: int, lines: bytearray) -> None:
    """Write whole lines, so many at once as are kept in one piece."""
    start = 0
    while start < len(lines):
        end = start + _ATOMIC_BYTES
        if end < len(lines):
            end = lines.rfind(b"\n", start, end) + 1 or lines.index(b"\n", start) + 1
        try:
            start += os.write(output, lines[start:end])
        except BlockingIOError:  # somebody made the pipe so
            select.select([], [output], [])
