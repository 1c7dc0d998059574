"""A feature server of the tiny shop, run as users run it, with keys."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.cli.tiny import ORDER_TYPES, VIEW, churn, columns, labels, make_tiny, model, orders, start

READER, LOADER, OPERATOR = "fsk_reads-orders-only", "fsk_reads-all-and-writes", "fsk_operates"
SCOPES = {READER: ["read:orders"], LOADER: ["read:*", "write:orders"], OPERATOR: ["admin:*"]}
LOOKUP = {"entities": {"customer_id": [1, 2]}, "features": ["orders:order_count"]}
BODY = json.dumps(LOOKUP)
HEAD = b"POST /get-online-features HTTP/1.1\r\nhost: localhost\r\n"
LOOK_UP = HEAD + b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY.encode())
"""A whole request."""
_PATIENCE_S = 120


def settings_text(keys=SCOPES, **more):
    """`featurestore.yml` with these keys."""
    listed = [
        {"name": key.removeprefix("fsk_"), "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": scopes}
        for key, scopes in keys.items()
    ]
    server = {"keys": listed, **more}
    return f"entities: [{{name: customer, join_keys: [customer_id]}}]\nserver: {json.dumps(server)}\n"


def make_shop(folder):
    """The tiny shop with the views `orders` and `payments`, applied and synced."""
    tiny = make_tiny(folder)
    tiny.sql("create table payments as select * from orders")
    payments = model(
        "payments",
        meta={"feature_view": VIEW},
        columns=columns(ORDER_TYPES),
        config={"contract": {"enforced": False}},
    )
    both = churn("orders:order_count", "payments:amount") | {"name": "both", "unique_id": "exposure.shop.both"}
    both["depends_on"] = {"nodes": ["model.shop.orders", "model.shop.payments"]}
    tiny.write_manifest(orders(), payments, labels(), churn(), both)
    for command in (["apply"], ["materialize"]):
        ran = tiny.run(*command)
        assert ran.code == 0, ran.err
    return tiny


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A running server.

    Attributes:
        url: where.
        process: the supervisor.
        said: the file with its standard error.
        told: the file with its standard output, the access log among it.
    """

    url: str
    process: subprocess.Popen
    said: Path
    told: Path

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def ask(self, path="/get-online-features", *, key=None, json=None, method=None, headers=None, content=None):
        """Send one request on a connection of its own."""
        head = {**({} if key is None else {"authorization": f"Bearer {key}"}), **(headers or {})}
        body = {"json": json} if content is None else {"content": content}
        asked = method or ("GET" if json is None and content is None else "POST")
        return httpx.request(asked, f"{self.url}{path}", headers=head, timeout=_PATIENCE_S, **body)

    def look_up(self, key=None, **instead):
        return self.ask(key=key, json={**LOOKUP, **instead})

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, raw, *, head_only=False):
        """Send bytes on a connection of its own; returns the answer."""
        with self.connect() as connection:
            connection.sendall(raw)
            return read_answer(connection, head_only=head_only)

    def is_alive(self):
        return self.process.poll() is None and self.ask("/health").status_code == 200


def read_answer(connection, *, head_only=False):
    """Read one answer: (status, headers, body); None if the connection ends without one."""
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            more = connection.recv(65_536)
        except ConnectionResetError:
            return None
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = 0 if head_only else int(headers.get("content-length", 0))
    while len(body) < length:
        more = connection.recv(65_536)
        assert more, "the answer is cut"
        body += more
    return int(status_line.split(" ")[1]), headers, body


def message_of(body):
    """What an error says, as Feast's client reads it: JSON in a JSON string."""
    told = json.loads(json.loads(body))
    assert set(told) == {"module", "class", "message"}
    return told["message"]


@contextmanager
def serving(tiny, *arguments, environ=None):
    """Run ``featurestore serve`` on a free port of 127.0.0.1."""
    number = len(list(tiny.folder.glob("server-*.log")))
    said, told = tiny.folder / f"server-{number}.log", tiny.folder / f"server-{number}.out"
    with said.open("w") as log, told.open("w") as out:
        command = ("serve", *(() if "--uds" in arguments else ("--port", "0")), "--json", *arguments)
        process = start(*command, cwd=tiny.folder, environ=environ, stdout=out, stderr=log)
        try:
            until(lambda: "}\n" in told.read_text() or process.poll() is not None)
            assert process.poll() is None, said.read_text()
            document, _ = json.JSONDecoder().raw_decode(told.read_text())
            yield Serving(url=document["url"], process=process, said=said, told=told)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_PATIENCE_S)


def until(condition, message="it did not come", *, pause_s=0.02):
    """Wait for a condition."""
    ends = time.monotonic() + _PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < ends, message
        time.sleep(pause_s)
    return found


def limited(tiny, **times):
    """Run it with small limits of what is asked for, and times of 60 s unless given."""
    limits = {"body_bytes": 100_000, "entities": 50, "features": 2, "header_s": 60, "body_s": 60, **times}
    (tiny.folder / "featurestore.yml").write_text(
        f"entities: [{{name: customer, join_keys: [customer_id]}}]\nserver: {{limits: {json.dumps(limits)}}}\n"
    )
    return serving(tiny)


def check_unharmed(server):
    """It answers, none of its workers died, and nothing that it said is a defect of its own."""

    def is_alive():
        with suppress(httpx.TransportError):
            return server.is_alive()

    assert until(is_alive)
    said = server.said.read_text()
    assert "Traceback" not in said
    assert "another starts" not in said
