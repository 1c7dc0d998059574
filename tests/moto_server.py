"""AWS as `moto` speaks it: a process of its own on 127.0.0.1, one request at a time, so that conditions are atomic."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a-secret-of-forty-letters-or-so-0123456789"}


@dataclass(frozen=True, kw_only=True)
class MotoServer:
    """A running server of ours."""

    process: subprocess.Popen[str]
    endpoint: str

    def reset(self) -> None:
        """Forget everything."""
        self.post("reset")

    def post(self, what: str, content: bytes = b"") -> None:
        """Ask it something of its own: ``reset``; ``reset-auth`` with how many more requests need no rights."""
        url, kind = f"{self.endpoint}/moto-api/{what}", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, content, kind, method="POST")).close()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def start_moto() -> MotoServer:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.moto_server"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    server = MotoServer(process=process, endpoint=f"http://127.0.0.1:{port}")
    assert port, "the server did not start"
    for _ in range(200):
        try:
            server.reset()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return server
    server.stop()
    raise AssertionError("the server does not answer")


def serve() -> None:
    """Run a server on a free port, and print the port."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    print(server.server_port, flush=True)  # noqa: T201 -- the port is the answer
    server.serve_forever()


if __name__ == "__main__":
    serve()
