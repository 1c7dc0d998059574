"""Azure's blobs as Azurite, Microsoft's emulator, speaks them: a process of its own on 127.0.0.1, put here by npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

ACCOUNT = "shop"
ACCOUNT_KEY = base64.b64encode(b"a-secret-of-forty-letters-or-so-0123456789").decode()
_OWN = Path(__file__).parents[1] / ".azurite/node_modules/.bin"
AZURITE = shutil.which("azurite-blob", path=f"{_OWN}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
"""Its command; None where it is not installed: `make test-azure` does that."""

_VERSION = "2023-11-03"


@dataclass(frozen=True, kw_only=True)
class AzuriteServer:
    """A running server of ours."""

    process: subprocess.Popen[str]
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def reset(self, container: str) -> None:
        """Make a container empty."""
        self._ask("DELETE", container)
        assert self._ask("PUT", container) == 201

    def _ask(self, method: str, container: str) -> int:
        """Ask for a container, signed with the account's key; the answer's status."""
        about = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
        signed = [method, *[""] * 11, *[f"{name}:{value}" for name, value in about.items()]]
        text = "\n".join((*signed, f"/{ACCOUNT}/{ACCOUNT}/{container}", "restype:container"))
        digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
        about["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/{ACCOUNT}/{container}?restype=container", headers=about)
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


def start_azurite() -> AzuriteServer:
    assert AZURITE is not None
    process = subprocess.Popen(
        [AZURITE, "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", line):
            return AzuriteServer(process=process, port=int(found[1]))
    process.kill()
    raise AssertionError("Azurite did not start")
