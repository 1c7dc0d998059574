"""ClickHouse's HTTP interface in front of chdb: as much of it as `clickhouse-connect` speaks to.

One session of chdb per session id, so that temporary tables and settings live as they do in a server.
"""

from __future__ import annotations

import base64
import re
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "ann", "s3cret"
_OF_THE_TRANSPORT = frozenset(
    ("query", "database", "session_id", "session_timeout", "query_id", "client_protocol_version", "wait_end_of_query",
     "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression", "compress",
     "decompress", "default_format", "buffer_size")
)  # fmt: skip
_WITH_DATA = re.compile(rb"^(INSERT INTO [^\n]* FORMAT (\w+))\n", re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keeper = Session()  # what is in memory goes when the last session closes
        self.sessions: dict[str, Session] = {}
        self.lock = threading.Lock()

    def session(self, name: str) -> Session:
        with self.lock:
            return self.sessions.setdefault(name, Session()) if name else Session()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.reply(200, b"Ok.\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            said = f"Code: 516. DB::Exception: {USER}: Authentication failed: password is incorrect."
            self.reply(403, said.encode(), code="516")
            return
        options = dict(parse_qsl(urlsplit(self.path).query))
        try:
            self.reply(200, self.run(options, body))
        except RuntimeError as error:
            found = _CODE.search(str(error))
            self.reply(500, str(error).encode(), code=found[1] if found else "1001")

    def run(self, options: dict[str, str], body: bytes) -> bytes:
        session = self.server.session(options.get("session_id", ""))
        for name, value in options.items():
            if name not in _OF_THE_TRANSPORT:
                session.query(f"SET {name} = '{value}'")
        if options.get("database"):
            session.query(f"USE `{options['database']}`")
        data = _WITH_DATA.match(body)
        if data is None:
            return bytes(session.query(options.get("query") or body.decode(), "TabSeparated").bytes())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows"
            path.write_bytes(body[data.end() :])
            head = data[1].decode().removesuffix(f" FORMAT {data[2].decode()}")
            session.query(f"{head} FROM INFILE '{path}' FORMAT {data[2].decode()}")
        return b""

    def reply(self, status: int, body: bytes, *, code: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def clickhouse_server() -> Iterator[int]:
    """Serve on a free port of this machine while it is needed."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for session in (*server.sessions.values(), server.keeper):
            session.close()
