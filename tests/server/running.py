"""A real server on a free port, over a registry and a store that a test has filled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx

from featurestore.definitions.places import RegistryPlace
from featurestore.definitions.server import ServerSettings
from featurestore.registry.document import ManifestFacts
from featurestore.registry.read import open_registry
from featurestore.server.config import ServerConfig
from tests.online.servers import wait_until

FACTS = ManifestFacts()
FINISHES_S = 120


def apply(folder, definitions):
    """Make definitions the newest registry version of a folder; returns its number."""
    registry = open_registry("registry", Path(folder))
    newest = registry.latest()
    applied = registry.apply(definitions, FACTS, expected=None if newest is None else newest.version)
    return applied.document.version


def config_of(folder, own, *, settings=None):
    """How a worker in the test's own process serves a folder's registry and SQLite store; `own` is its state."""
    return ServerConfig(
        base_dir=Path(folder),
        registry=RegistryPlace(uri="registry"),
        online_store="sqlite:online.sqlite",
        settings=settings or ServerSettings(),
        spool=own / "spool",
        state_dir=own,
        has_access_log=False,
    )


class Running:
    """A server that answers."""

    def __init__(self, process, url, socket, log):
        self.process = process
        self.url = url
        self.log_file = log
        transport = httpx.HTTPTransport(uds=socket) if socket else None
        self.client = httpx.Client(base_url="http://server" if socket else url, transport=transport, timeout=FINISHES_S)

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, path, body, **headers):
        """Post a value as JSON, bytes as they are."""
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.post(path, content=content, headers=headers)

    def ask(self, features, entities, **more):
        """Look up features, or a service by its name."""
        what = {"feature_service": features} if isinstance(features, str) else {"features": features}
        return self.post("/get-online-features", {**what, "entities": entities, **more})

    def values(self, features, entities, **more):
        """The values of a lookup that succeeds, by column name."""
        answer = self.ask(features, entities, **more)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        names = told["metadata"]["feature_names"]
        return {name: column["values"] for name, column in zip(names, told["results"], strict=True)}

    @property
    def log(self):
        """What the server has said on standard error."""
        return self.log_file.read_text()

    def workers(self):
        """Process ids of its workers."""
        return [number for number, command in below(self.process.pid) if "featurestore.server.worker" in command]

    def helper(self):
        """Process id of its helper; None if there is none."""
        found = [number for number, command in below(self.process.pid) if "featurestore.server.helper" in command]
        return found[0] if found else None

    def end(self, with_signal=signal.SIGTERM):
        """End it, and wait; returns the exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(FINISHES_S)


def message(answer):
    """The text of an error as Feast's client reads it: a JSON string that holds JSON."""
    return json.loads(answer.json())["message"]


def error_class(answer):
    """The class that Feast's client makes of an error."""
    told = json.loads(answer.json())
    assert told["module"] == "feast.errors"
    return told["class"]


@contextmanager
def running(folder, *options, store="sqlite:online.sqlite", environment=None, program=("-m", "featurestore.cli")):
    """Run ``featurestore serve`` in a folder that has a registry."""
    mine = uuid4().hex[:8]  # others may run in this folder
    out, log = Path(folder) / f"serve-{mine}.out", Path(folder) / f"serve-{mine}.log"
    places = ["--registry", "registry", "--online-store", store]
    listen = [] if "--uds" in options else ["--port", "0"]
    command = [sys.executable, *program, "serve", "--json", *listen, *places, *options]
    with out.open("w") as out_file, log.open("w") as log_file:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out_file, stderr=log_file, env={**os.environ, **(environment or {})}
        )
    server = None
    try:
        wait_until(lambda: out.read_text().endswith("}\n") or process.poll() is not None)
        if process.poll() is not None:
            raise AssertionError(f"the server ended with code {process.returncode}: {log.read_text()}")
        url = json.JSONDecoder().raw_decode(out.read_text())[0]["url"]  # its access log follows
        socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        server = Running(process, url, socket, log)
        yield server
    finally:
        if server is not None:
            server.client.close()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(FINISHES_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def below(process):
    """Ids and command lines of a process's children."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for number in map(int, task.read_text().split()):
            with suppress(OSError):
                found.append((number, Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")))
    return found


def is_alive(process):
    """Whether a process runs; one that waits to be taken note of does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(condition, seconds=FINISHES_S):
    """Wait until it returns something; returns that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that in time")
