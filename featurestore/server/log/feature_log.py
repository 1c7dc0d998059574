"""The feature log of one worker process: answers go into a bounded queue, a thread writes them to segments.

Shape: ``note -> queue (bounded by bytes and count) -> thread -> segments in the spool``.
The rule: a request never waits for the log and never fails because of it; what does not fit is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import FeatureStoreError
from featurestore.server.log.sampling import Sampler, sampler_of
from featurestore.server.log.segments import service_of
from featurestore.server.log.spool import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from featurestore.definitions.project import Project

WORKERS = "workers"
"""The folder in the spool where each worker says what it dropped."""

_LOGGER = logging.getLogger("featurestore.server")
_RECORD_BYTES = 128
_COMPLAIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept where.

    Attributes:
        queue_bytes, queue_records: of answers that wait to be written; beyond either, answers are dropped. Those of
            services that cannot be written get half of the bytes, so that others are not held up.
        batch_bytes: so many waiting wake the writer before its time.
        flush_s: at least so often what waits is written.
        segment_bytes, segment_s: a segment of this size or age is closed, so that it can be loaded.
        spool_bytes: of all that waits on disk to be loaded; beyond, nothing more is written of services that have more
            than an equal share of it.
        close_s: how long `close` waits for the disk.
    """

    queue_bytes: int = 64 << 20
    queue_records: int = 100_000
    batch_bytes: int = 1 << 20
    flush_s: float = 1.0
    segment_bytes: int = 16 << 20
    segment_s: float = 10.0
    spool_bytes: int = 4 << 30
    close_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCounts:
    """What became of answers, since this worker began.

    Attributes:
        noted: answers of services that are logged.
        sampled_out: of these, those that the sample leaves out whole.
        dropped: those that did not fit, could not be written before the end, or were in a file that was removed.
        written: those that were written to segments.
        queued_bytes: of those that wait.
        error: why nothing can be written now; empty when all is well.
    """

    noted: int
    sampled_out: int
    dropped: int
    written: int
    queued_bytes: int
    error: str


_NOTHING: dict[str, Sampler] = {}


class FeatureLog:
    """Keeps answers. `note` is called by one thread, the event loop's.

    Args:
        spool: the folder for segments; made when something is to be written.
        limits: of memory, files and time.
        worker: names this process among others that write to the spool, now and before.
    """

    def __init__(self, spool: Path, *, limits: LogLimits | None = None, worker: str | None = None) -> None:
        self.worker = worker or f"{time.time_ns() // 1_000_000:x}-{secrets.token_hex(6)}"
        self._spool = spool
        self._limits = limits or LogLimits()
        self._samplers = _NOTHING
        self._queue: deque[tuple[str, int, bytes]] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._noted = self._sampled_out = self._refused = 0
        self._bytes_in = self._bytes_asked_for = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._writing = _Writing(self._queue, spool, self.worker, self._limits)

    def define(self, project: Project) -> None:
        """Take up definitions: which services are logged, and how much of each. One that cannot be is said and left."""
        found: dict[str, Sampler] = {}
        for service in project.services:
            try:
                sampler = sampler_of(project, service)
            except FeatureStoreError as problem:
                _LOGGER.error("the log of feature service %s: %s", service.name, problem)
                continue
            if sampler is not None:
                found[service.name] = sampler
        self._samplers = found

    @property
    def spool(self) -> Path:
        """The folder for segments."""
        return self._spool

    def note(
        self,
        service: str,
        *,
        request_id: str,
        served_us: int,
        registry_version: int,
        columns: Mapping[str, Sequence[object]],
        body: bytes,
    ) -> None:
        """Keep an answer, if its service is logged; never waits, never raises.

        Args:
            service: that was asked for.
            request_id: of the request.
            served_us: when it was answered, microseconds since 1970.
            registry_version: of the definitions that answered.
            columns: the entities as they were asked for, a list of values per join key.
            body: the answer as it is sent, Feast's JSON.
        """
        sampler = self._samplers.get(service)
        if sampler is None:
            return
        self._noted += 1
        try:
            rows = sampler.rows(request_id, columns)
            if rows is not None and not rows:
                self._sampled_out += 1
                return
            size = len(body) + _RECORD_BYTES
            limits = self._limits
            waiting = self._bytes_in - self._writing.bytes_out + size
            if waiting > limits.queue_bytes or len(self._queue) >= limits.queue_records or self._is_closed:
                self._refused += 1
                return
            record = self._encode((request_id, served_us, registry_version, rows, body))
        except (LookupError, ValueError, TypeError, ArithmeticError, MemoryError):
            self._refused += 1
            return
        self._queue.append((service, size, record))
        self._bytes_in += size
        if self._thread is None:
            self._start()
        elif self._bytes_in - self._bytes_asked_for >= limits.batch_bytes:
            self._bytes_asked_for = self._bytes_in
            self._wake.set()

    def counts(self) -> LogCounts:
        """Say what became of answers so far."""
        writing = self._writing
        return LogCounts(
            noted=self._noted,
            sampled_out=self._sampled_out,
            dropped=self._refused + writing.dropped,
            written=writing.written,
            queued_bytes=self._bytes_in - writing.bytes_out,
            error=writing.error,
        )

    def close(self) -> None:
        """Write what waits and close all segments; what comes later is dropped. What was lost is said in the log."""
        self._is_closed = True
        thread = self._thread
        if thread is not None:
            self._wake.set()
            thread.join(self._limits.close_s)
        counts = self.counts()
        lost = counts.noted - counts.sampled_out - counts.written
        if lost:
            why = counts.error or "they came faster than they were written"
            _LOGGER.warning("the feature log lost %d of %d answers: %s", lost, counts.noted, why)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="feature-log", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads in this process: the next answer tries again
            self._writing.complain(f"cannot start its thread: {error}")
            return
        self._thread = thread

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(self._limits.flush_s)
            self._wake.clear()
            self._writing.flush()
            self._say_what_was_dropped()
        self._writing.finish()
        self._say_what_was_dropped()

    def _say_what_was_dropped(self) -> None:
        """Write the counts where ``featurestore log status`` finds them, when answers were dropped."""
        counts = self.counts()
        if counts.dropped == self._writing.dropped_said:
            return
        folder = self._spool / WORKERS
        target = folder / f"{self.worker}.json"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = target.with_suffix(".new")
            new.write_text(json.dumps(asdict(counts)), encoding="utf-8")
            new.replace(target)
        except OSError:  # a full disk, where most drops come from: the next second tries again
            return
        self._writing.dropped_said = counts.dropped


class _Writing:
    """What the thread does: it alone uses this, but for numbers that others read."""

    def __init__(self, queue: deque[tuple[str, int, bytes]], spool: Path, worker: str, limits: LogLimits) -> None:
        self._queue = queue
        self._spool = spool
        self._worker = worker
        self._limits = limits
        self._writers: dict[str, SegmentWriter] = {}
        self._pending: dict[str, deque[tuple[int, bytes]]] = {}
        self._pending_bytes = 0
        self._failing: set[str] = set()
        self._has_failed = False
        self._complained_s = -_COMPLAIN_S
        self._full: set[str] = set()
        self.bytes_out = self.written = self.dropped = self.dropped_said = 0
        self.error = ""

    def flush(self) -> None:
        """Write what waits, a batch at a time, and close segments that are large or old enough."""
        self._has_failed = False
        self._failing.clear()
        for service, writer in self._writers.items():
            if writer.is_removed:
                self._finish(service, writer)
        if self._full:
            self._measure_spool()
        self._failing |= self._full
        self._write_pending()
        while self._take_batch():
            self._write_pending()
        for service, writer in self._writers.items():
            if writer.age_s >= self._limits.segment_s:
                self._finish(service, writer)
        if not self._has_failed and not self._full:
            self.error = ""

    def finish(self) -> None:
        """Write and close everything; what the disk refuses now is dropped."""
        self.flush()
        for service, writer in self._writers.items():
            self._finish(service, writer)
        lost = sum(map(len, self._pending.values())) + len(self._queue)
        self.dropped += lost
        self._pending.clear()
        self._queue.clear()

    def complain(self, what: str) -> None:
        """Keep the reason, and log it once a minute."""
        self.error, self._has_failed = what, True
        now = time.monotonic()
        if now - self._complained_s >= _COMPLAIN_S:
            self._complained_s = now
            _LOGGER.warning("the feature log is not written: %s", what)

    def _take_batch(self) -> bool:
        """Take up to a batch out of the queue; whether there is anything to write that was not just refused.

        What was refused before is kept beside, up to half of what may wait; beyond, that service's answers are dropped.
        """
        stuck = {*self._pending, *self._full}
        most = self._limits.queue_bytes // 2
        taken = 0
        while self._queue and taken < self._limits.batch_bytes:
            service, size, record = self._queue.popleft()
            if service not in stuck:
                taken += size
            elif self._pending_bytes + size > most:
                self.dropped += 1
                self.bytes_out += size
                continue
            self._pending.setdefault(service, deque()).append((size, record))
            self._pending_bytes += size
        return not self._pending.keys() <= self._failing

    def _write_pending(self) -> None:
        for service in [*self._pending]:
            if service not in self._failing:
                self._write(service)

    def _write(self, service: str) -> None:
        writer = self._writers.get(service)
        if writer is None:
            writer = self._writers[service] = SegmentWriter(self._spool, service, self._worker)
        pending = self._pending[service]
        while pending:
            try:
                count = writer.write(_first(pending, self._limits.batch_bytes))
            except OSError as error:
                self._failing.add(service)
                self.complain(f"{error.strerror or error} ({error.filename or self._spool})")
                return
            self.written += count
            size = sum(pending.popleft()[0] for _ in range(count))
            self.bytes_out += size
            self._pending_bytes -= size
            if writer.size_bytes >= self._limits.segment_bytes:
                self._finish(service, writer)
                if service in self._full:
                    self._failing.add(service)
                    break
        if not pending:
            del self._pending[service]

    def _finish(self, service: str, writer: SegmentWriter) -> None:
        path = writer.path
        try:
            lost = writer.finish()
            self._measure_spool()
        except OSError as error:
            self.complain(f"{service}: {error.strerror or error} ({error.filename or self._spool})")
            return
        if lost:
            self.dropped += lost
            self.complain(f"{service}: {lost:,} answers are lost: somebody removed the file ({path})")

    def _measure_spool(self) -> None:
        """Find out whether too much waits on disk already, and of which services.

        Where nothing loads it, it must not fill the disk; a service whose destination refuses all its rows must not
        take the room of the others, so those that have more than an equal share of it are stopped.
        """
        sizes: Counter[str] = Counter()
        try:
            for folder in self._spool.iterdir():
                if folder.is_dir() and folder.name != WORKERS:
                    sizes[service_of(folder)] = sum(file.stat().st_size for file in folder.rglob("*"))
        except OSError:  # a file was loaded meanwhile: the next time tells
            return
        most = self._limits.spool_bytes
        is_too_much = sizes.total() > most
        self._full = {service for service, size in sizes.items() if is_too_much and size * len(sizes) > most}
        if self._full:
            names = ", ".join(sorted(self._full))
            self.complain(
                f"{sizes.total():,} bytes wait in {self._spool} to be loaded ({names}): featurestore log load"
            )


def _first(pending: deque[tuple[int, bytes]], most_bytes: int) -> list[bytes]:
    """The first records of those that wait, up to so many bytes, and at least one."""
    found: list[bytes] = []
    taken = 0
    for size, record in pending:
        if taken >= most_bytes:
            break
        found.append(record)
        taken += size
    return found
