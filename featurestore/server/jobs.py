"""Syncs that were asked for over HTTP: one at a time, each a process of its own, whose end can be asked about.

A job is ``featurestore materialize --json``: its memory goes with it, and when the server ends it is interrupted as by
Ctrl-C, which loses nothing (SEMANTICS O5-O7).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from featurestore.definitions.places import ENVIRONMENT
from featurestore.errors import OperationError, without_secrets
from featurestore.server.helper_calls import SyncAsked
from featurestore.server.problems import Answer, RefusedError

if TYPE_CHECKING:
    from featurestore.server.config import ServerConfig

logger = logging.getLogger("featurestore.server")

State = Literal["running", "done", "failed", "interrupted"]
_END_S = 10.0
_LINES_KEPT = 20
_MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One sync.

    Attributes:
        id: to ask by.
        state: ``done`` when every view was synced.
        asked: what was asked for.
        process: id of its process, on the server's machine.
        started_at, ended_at: UTC.
        result: what `featurestore materialize --json` printed.
        problem: the last lines that it said, where it failed.
    """

    id: str
    state: State
    asked: SyncAsked
    process: int
    started_at: datetime
    ended_at: datetime | None = None
    result: msgspec.Raw | None = None
    problem: str = ""


class Jobs:
    """The syncs of this server; for the helper's threads."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._folder = config.state_dir / "jobs"
        self._lock = threading.Lock()
        self._jobs = {job.id: job for job in map(_read, sorted(self._folder.glob("*.json")))}
        for job in [job for job in self._jobs.values() if job.state == "running"]:
            _interrupt_orphan(job.process)
            self._keep(replace(job, state="interrupted", ended_at=_now(), problem="the server's helper process ended"))
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._is_ending = False

    def start(self, asked: SyncAsked) -> Answer:
        """Start a sync. Raises RefusedError (409) while one runs."""
        with self._lock:
            running = next((job for job in self._jobs.values() if job.state == "running"), None)
            if running is not None:
                raise RefusedError(409, f"a sync is under way: job {running.id}", hint=f"ask GET /jobs/{running.id}")
            if self._is_ending:
                raise RefusedError(503, "the server ends")
            self._process = self._run(asked)
            job = Job(id=uuid.uuid4().hex, state="running", asked=asked, process=self._process.pid, started_at=_now())
            self._thread = threading.Thread(target=self._wait, args=(job, self._process), name="sync")
            try:
                self._thread.start()  # it waits for the lock before it says how the job ended
            except RuntimeError as problem:  # no more threads in this process
                self._process.kill()
                self._process.communicate()
                raise OperationError("a sync cannot be watched now", hint="ask again") from problem
            self._keep(job)
        return Answer(202, msgspec.json.encode(job), ((b"location", f"/jobs/{job.id}".encode()),))

    def find(self, job_id: str) -> Answer:
        """Say what became of a job. Raises RefusedError (404) when there is none of this id."""
        job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError(404, "there is no such job", hint="ask GET /jobs for all of them")
        return Answer(200, msgspec.json.encode(job))

    def all(self) -> Answer:
        """All jobs since the server started, the newest first."""
        newest = sorted(self._jobs.values(), key=lambda job: job.started_at, reverse=True)
        return Answer(200, msgspec.json.encode({"jobs": newest}))

    def end(self) -> None:
        """Interrupt the sync under way, and wait until it has ended."""
        with self._lock:
            self._is_ending = True
            process, thread = self._process, self._thread
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
        if thread is not None:
            thread.join()

    def _run(self, asked: SyncAsked) -> subprocess.Popen[bytes]:
        config = self._config
        command = [sys.executable, "-m", "featurestore.cli", "materialize", *asked.views, "--json"]
        places = {
            "--start": asked.start,
            "--end": asked.end,
            "--project-dir": str(config.base_dir),
            "--profiles-dir": config.profiles_dir,
            "--profile": config.profile,
            "--target": config.target,
        }
        for name, value in places.items():
            command += [name, value] if value is not None else []
        command += ["--full"] if asked.full else []
        environment = {
            **os.environ,
            ENVIRONMENT["registry"]: config.registry.uri,
            ENVIRONMENT["online_store"]: config.online_store,
        }
        return subprocess.Popen(  # noqa: S603  our own command, on names that the registry has
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def _wait(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        out, said = process.communicate()
        state: State = "done" if process.returncode == 0 else "failed"
        if process.returncode != 0 and self._is_ending:
            state = "interrupted"
        lines = said.decode(errors="replace").splitlines()[-_LINES_KEPT:]
        with self._lock:
            self._keep(
                replace(
                    job,
                    state=state,
                    ended_at=_now(),
                    result=_result(out),
                    problem="" if state == "done" else without_secrets("\n".join(lines)),
                )
            )

    def _keep(self, job: Job) -> None:
        """Remember a job, also for the helper that comes after this one; of very many the newest."""
        if len(self._jobs) >= _MOST_KEPT:
            oldest = min((each for each in self._jobs.values() if each.ended_at), key=lambda each: each.started_at)
            del self._jobs[oldest.id]
            (self._folder / f"{oldest.id}.json").unlink(missing_ok=True)
        self._jobs[job.id] = job
        partial = self._folder / f"{job.id}.partial"
        try:
            self._folder.mkdir(exist_ok=True)
            partial.write_bytes(msgspec.json.encode(job))
            partial.replace(self._folder / f"{job.id}.json")
        except OSError as problem:  # this process knows it all the same
            logger.warning("job %s is not written down: %s", job.id, problem)


def _interrupt_orphan(process: int) -> None:
    """End a sync whose helper was killed: it would run beside the next one. Interrupted, it loses nothing."""
    with suppress(OSError):
        if b"materialize" in Path(f"/proc/{process}/cmdline").read_bytes():  # and no other that has its number now
            os.kill(process, signal.SIGINT)


def _read(path: Path) -> Job:
    return msgspec.json.decode(path.read_bytes(), type=Job)


def _result(out: bytes) -> msgspec.Raw | None:
    """What a command printed, on one line; None if that is no JSON."""
    try:
        return msgspec.Raw(msgspec.json.format(out, indent=-1))
    except msgspec.DecodeError:
        return None


def _now() -> datetime:
    return datetime.now(timezone.utc)
