"""Segments into the warehouse: what workers wrote is read, kept as Parquet, then added to its destination.

Shape, per service: ``.seg (and .open of writers that are gone) -> ready/<segment>.v<version>.parquet -> destination``;
a file is called ``.loading`` from before its rows are added until they are.
The rule: each step can be killed and done again. A segment goes when its files are on disk, a file when its rows are
at their destination; rows of a file that was begun before are looked for there first, by their id.
A file that is refused keeps no other waiting: it is tried last, and set aside (``refused/``) when it was refused often
and others were taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.feature_log import log_of
from featurestore.definitions.services import WAREHOUSE
from featurestore.errors import FeatureStoreError, OperationError, QueryError, format_problem
from featurestore.server.log.decode import Unread, log_batches, log_schema
from featurestore.server.log.feature_log import WORKERS
from featurestore.server.log.segments import (
    NEW,
    OPEN,
    REFUSED,
    WHOLE,
    folder_of,
    read_segment,
    service_of,
)
from featurestore.storage.whole_files import HALF, locked, only_one, sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureLogging
    from featurestore.server.log.destination import Destination
    from featurestore.server.log.segments import Record

READY, PARQUET, LOADING, TRIES = "ready", ".parquet", ".loading", ".tries"
_LOCK = "load.lock"
_CHECK = "check its rights and free space; what waits, waits"
_TRIES = 5
_REFUSED_IN_A_ROW = 8
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
        refused: files of rows that were set aside, because their destination refused them again and again.
        unread_answers, unread_values: what could not be read; such values are NULL.
        lost_bytes: of records that their writer did not finish.
        problem, hint: why something waits; empty when nothing does.
    """

    service: str
    segments: int = 0
    rows: int = 0
    waiting: int = 0
    open_segments: int = 0
    refused: int = 0
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
        OperationError: the spool itself cannot be read.
    """
    destinations = _Destinations(around)
    try:
        _forget_old_counts(around.spool / WORKERS)
        folders = services_in(around.spool) if service is None else [folder_of(around.spool, service)]
        return tuple(_load(folder, around, destinations) for folder in folders if folder.is_dir())
    except OSError as error:
        raise OperationError(
            f"cannot be used: {error.strerror or error}", where=str(error.filename or around.spool), hint=_CHECK
        ) from error
    finally:
        destinations.close()


def _forget_old_counts(folder: Path) -> None:
    """Remove what workers of long ago said that they dropped."""
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # another load removed it, or its worker wrote it anew
            if time() - path.stat().st_mtime > _COUNTS_KEPT_S:
                path.unlink()


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
    """Load one service's segments, unless somebody else does so now; a folder that cannot be used stops no other."""
    loading = _Loading(folder, around, destinations)
    try:
        with only_one(folder / _LOCK) as is_ours:
            if not is_ours:
                return loading.done("another process loads it now", "it is done there")
            loading.adopt_orphans()
            for segment in sorted(folder.glob(f"*{WHOLE}")):
                loading.read(segment)
            loading.add_files()
    except OSError as error:
        where = error.filename or folder
        return loading.done(format_problem(f"cannot be used: {error.strerror or error}", where=str(where)), _CHECK)
    return loading.done()


class _DamagedError(OperationError):
    """A file of rows that cannot be read."""


class _Loading:
    """The loading of one service's segments."""

    def __init__(self, folder: Path, around: Around, destinations: _Destinations) -> None:
        self._folder = folder
        self._ready, self._aside = folder / READY, folder / REFUSED
        self._around = around
        self._destinations = destinations
        self._service = service_of(folder)
        self._unread = Unread()
        self._found = Loaded(service=self._service)

    def done(self, problem: str = "", hint: str = "") -> Loaded:
        """What became of it."""
        aside = len([*self._aside.glob("*")])
        if aside and not (problem or self._found.problem):
            problem = f"refused files of rows are in {self._aside}: {aside}"
            hint = _mend(self._ready)
        return replace(
            self._found,
            waiting=len(waiting_files(self._folder)),
            open_segments=len(list(self._folder.glob(f"*{OPEN}"))),
            refused=aside,
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
        """Bring files of rows to their destination, the oldest first, and those that it refused before last.

        Nothing is set aside where it takes none at all: it is the table then, and not the file.
        """
        refused: list[tuple[Path, FeatureStoreError]] = []
        is_any_taken, in_a_row = False, 0
        for path in sorted(waiting_files(self._folder), key=_tries_of):
            try:
                self._add(path)
            except (QueryError, _DamagedError) as error:
                self._note(error)
                refused.append((path, error))
                in_a_row += 1
                if in_a_row == _REFUSED_IN_A_ROW:
                    break
            except FeatureStoreError as error:
                self._note(error)
                break
            else:
                is_any_taken, in_a_row = True, 0
        for path, reason in refused:
            tries = _tries_of(path) + 1
            path.with_suffix(TRIES).write_text(str(tries), encoding="utf-8")
            if is_any_taken and tries >= _TRIES:
                self._set_aside(path, tries, reason)

    def _set_aside(self, path: Path, tries: int, reason: FeatureStoreError) -> None:
        """Move a file away, under the name that says whether it was begun."""
        self._aside.mkdir(mode=0o700, exist_ok=True)
        path = path if path.exists() else path.with_suffix(LOADING)
        path.replace(self._aside / path.name)
        sync_folder(self._aside)
        path.with_suffix(TRIES).unlink()
        problem = f"refused {tries} times, so it is in {self._aside}: {path.stem}: {reason.message}"
        self._found = replace(self._found, problem=problem, hint=_mend(self._ready))

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
                self._unread.values += destination.add(self._service, path.stem, rows, is_again=is_again)
            except FeatureStoreError as error:
                if not isinstance(error, QueryError):
                    self._destinations.refused[to] = error
                raise
        path.with_suffix(TRIES).unlink(missing_ok=True)
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
    """Read a file of rows."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowInvalid as error:
        raise _DamagedError(f"no whole Parquet file: {error}", where=str(path), hint="move it away") from error


def waiting_files(folder: Path) -> list[Path]:
    """Files of rows of a service that wait for their destination, the oldest first."""
    ready = folder / READY
    return sorted(path for path in ready.glob("*") if path.suffix in {PARQUET, LOADING})


def _tries_of(path: Path) -> int:
    """How often a file of rows was refused."""
    try:
        return int(path.with_suffix(TRIES).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0


def _mend(ready: Path) -> str:
    return f"mend the table or the files, move the files to {ready}, and load again"


def _by_version(segment: str, records: Sequence[Record]) -> dict[int, list[tuple[str, Record]]]:
    found: dict[int, list[tuple[str, Record]]] = {}
    for number, record in enumerate(records):
        found.setdefault(record.registry_version, []).append((f"{segment}-{number}", record))
    return found
