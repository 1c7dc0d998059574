"""Segments into the warehouse: what workers wrote is read, kept as Parquet, then added to its destination.

Shape, per service: ``.seg (and .open of writers that are gone) -> ready/<segment>.v<version>.parquet -> destination``;
a file is called ``.loading`` from before its rows are added until they are.
The rule: each step can be killed and done again. A segment goes when its files are on disk, a file when its rows are
at their destination; rows of a file that was begun before are looked for there first, by their id.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.feature_log import log_of
from featurestore.definitions.services import WAREHOUSE
from featurestore.errors import FeatureStoreError, OperationError, QueryError
from featurestore.server.log.decode import Unread, log_batches, log_schema
from featurestore.server.log.feature_log import WORKERS
from featurestore.server.log.segments import (
    NEW,
    OPEN,
    WHOLE,
    folder_of,
    locked,
    read_segment,
    service_of,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureLogging
    from featurestore.server.log.destination import Destination
    from featurestore.server.log.segments import Record

READY, PARQUET, LOADING, HALF = "ready", ".parquet", ".loading", ".tmp"
_LOCK = "load.lock"
_ABANDONED_S = 3_600.0
_COUNTS_KEPT_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What segments are loaded with.

    Attributes:
        spool: where workers write.
        project: the definitions in force, which say where a log goes.
        project_of: reads the definitions of a registry version.
        destination_of: where a service's ``to`` leads; opened when there are rows, closed by `load_segments`.
    """

    spool: Path
    project: Project
    project_of: Callable[[int], Project]
    destination_of: Callable[[str], Destination]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of one service's segments.

    Attributes:
        service: its name.
        segments: how many were read.
        rows: how many came to their destination.
        waiting: files of rows that wait for their destination.
        open_segments: that workers are still writing; they can be loaded when they are closed.
        unread_answers, unread_values: what could not be read; such values are NULL.
        lost_bytes: of records that their writer did not finish.
        problem, hint: why something waits; empty when nothing does.
    """

    service: str
    segments: int = 0
    rows: int = 0
    waiting: int = 0
    open_segments: int = 0
    unread_answers: int = 0
    unread_values: int = 0
    lost_bytes: int = 0
    problem: str = ""
    hint: str = ""


def load_segments(around: Around, *, service: str | None = None) -> tuple[Loaded, ...]:
    """Load what waits in the spool.

    Args:
        around: the spool and what else is needed.
        service: only this one's; None for all.

    Returns:
        One result per service that has a folder in the spool, by name. What cannot be loaded now waits, and its result
        says why; nothing is raised for it.

    Raises:
        OperationError: the spool cannot be read, or has no room.
    """
    destinations = _Destinations(around)
    try:
        _forget_old_counts(around.spool / WORKERS)
        folders = services_in(around.spool) if service is None else [folder_of(around.spool, service)]
        return tuple(_load(folder, around, destinations) for folder in folders if folder.is_dir())
    except OSError as error:
        raise OperationError(
            f"cannot be used: {error.strerror or error}",
            where=str(error.filename or around.spool),
            hint="check its rights and free space; what waits, waits",
        ) from error
    finally:
        destinations.close()


def _forget_old_counts(folder: Path) -> None:
    """Remove what workers of long ago said that they dropped."""
    for path in folder.glob("*.json"):
        if time() - path.stat().st_mtime > _COUNTS_KEPT_S:
            path.unlink(missing_ok=True)


def services_in(spool: Path) -> list[Path]:
    """Folders of services in a spool, by name; none where there is no spool."""
    if not spool.is_dir():
        return []
    return sorted(folder for folder in spool.iterdir() if folder.is_dir() and folder.name != WORKERS)


@dataclass(slots=True)
class _Destinations:
    """Those that were opened, and those that cannot be used now."""

    around: Around
    opened: dict[str, Destination] = field(default_factory=dict)
    refused: dict[str, FeatureStoreError] = field(default_factory=dict)

    def of(self, to: str) -> Destination:
        """Open where `to` leads; a place that could not be reached is not asked again in this run."""
        if to in self.refused:
            raise self.refused[to]
        if to not in self.opened:
            self.opened[to] = self.around.destination_of(to)
        return self.opened[to]

    def close(self) -> None:
        for each in self.opened.values():
            each.close()


def _load(folder: Path, around: Around, destinations: _Destinations) -> Loaded:
    """Load one service's segments, unless somebody else does so now."""
    loading = _Loading(folder, around, destinations)
    with _only_one(folder / _LOCK) as is_ours:
        if not is_ours:
            return loading.done("another process loads it now", "it is done there")
        loading.adopt_orphans()
        for segment in sorted(folder.glob(f"*{WHOLE}")):
            loading.read(segment)
        loading.add_files()
    return loading.done()


@contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with locked(path) as is_ours:
        yield is_ours


class _Loading:
    """The loading of one service's segments."""

    def __init__(self, folder: Path, around: Around, destinations: _Destinations) -> None:
        self._folder = folder
        self._ready = folder / READY
        self._around = around
        self._destinations = destinations
        self._service = service_of(folder)
        self._unread = Unread()
        self._found = Loaded(service=self._service)

    def done(self, problem: str = "", hint: str = "") -> Loaded:
        """What became of it."""
        return replace(
            self._found,
            waiting=len(waiting_files(self._folder)),
            open_segments=len(list(self._folder.glob(f"*{OPEN}"))),
            unread_answers=self._unread.answers,
            unread_values=self._unread.values,
            problem=problem or self._found.problem,
            hint=hint or self._found.hint,
        )

    def adopt_orphans(self) -> None:
        """Take segments whose writers are gone, and remove what never became one."""
        for orphan in self._folder.glob(f"*{OPEN}"):
            with locked(orphan) as is_ours:
                if is_ours:
                    orphan.rename(orphan.with_suffix(WHOLE))
        for half in self._ready.glob(f"*{HALF}"):
            half.unlink()
        for new in self._folder.glob(f"*{NEW}"):
            with locked(new) as is_ours:
                if is_ours and time() - new.stat().st_mtime > _ABANDONED_S:
                    new.unlink()

    def read(self, path: Path) -> None:
        """Turn a segment into files of rows, and remove it when these are on disk."""
        segment = read_segment(path)
        try:
            for version, records in _by_version(path.stem, segment.records).items():
                self._write(self._ready / f"{path.stem}.v{version}{PARQUET}", version, records)
        except FeatureStoreError as error:
            self._note(error)
            return
        path.unlink()
        sync_folder(self._folder)
        found = self._found
        self._found = replace(found, segments=found.segments + 1, lost_bytes=found.lost_bytes + segment.lost_bytes)

    def add_files(self) -> None:
        """Bring files of rows to their destination, the oldest first."""
        for path in waiting_files(self._folder):
            try:
                self._add(path)
            except FeatureStoreError as error:
                self._note(error)
                return

    def _write(self, path: Path, version: int, records: Sequence[tuple[str, Record]]) -> None:
        if path.exists() or path.with_suffix(LOADING).exists():  # written before, by one that was killed
            return
        project = self._around.project_of(version)
        log = log_of(project, project.service(self._service))
        self._ready.mkdir(mode=0o700, exist_ok=True)
        half = path.with_suffix(HALF)
        with half.open("wb") as file:
            with pq.ParquetWriter(file, log_schema(log), compression="zstd") as writer:
                for batch in log_batches(log, records, self._unread):
                    writer.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        sync_folder(self._ready)

    def _add(self, path: Path) -> None:
        rows = _rows_of(path)
        is_again = path.suffix == LOADING
        begun = path.with_suffix(LOADING)
        if rows.num_rows:
            to = self._to(path)
            destination = self._destinations.of(to)
            if not is_again:
                path.rename(begun)
                sync_folder(self._ready)
            try:
                destination.add(self._service, path.stem, rows, is_again=is_again)
            except FeatureStoreError as error:
                if not isinstance(error, QueryError):
                    self._destinations.refused[to] = error
                raise
        (begun if begun.exists() else path).unlink()
        sync_folder(self._ready)
        self._found = replace(self._found, rows=self._found.rows + rows.num_rows)

    def _to(self, path: Path) -> str:
        """Where the log goes as is said now; else as was said when it was served."""
        version = int(path.stem.rpartition(".v")[2])
        now = _logging(self._around.project, self._service)
        logging = now or _logging(self._around.project_of(version), self._service)
        return WAREHOUSE if logging is None else logging.to

    def _note(self, error: FeatureStoreError) -> None:
        """Keep the first reason."""
        if not self._found.problem:
            self._found = replace(self._found, problem=error.message, hint=error.hint or "")


def _logging(project: Project, service: str) -> FeatureLogging | None:
    return next((each.logging for each in project.services if each.name == service), None)


def _rows_of(path: Path) -> pa.Table:
    """Read a file of rows. Raises OperationError if it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowInvalid as error:
        raise OperationError(f"no whole Parquet file: {error}", where=str(path), hint="move it away") from error


def waiting_files(folder: Path) -> list[Path]:
    """Files of rows of a service that wait for their destination, the oldest first."""
    ready = folder / READY
    return sorted(path for path in ready.glob("*") if path.suffix in {PARQUET, LOADING})


def _by_version(segment: str, records: Sequence[Record]) -> dict[int, list[tuple[str, Record]]]:
    found: dict[int, list[tuple[str, Record]]] = {}
    for number, record in enumerate(records):
        found.setdefault(record.registry_version, []).append((f"{segment}-{number}", record))
    return found
