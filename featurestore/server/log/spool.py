"""The segment that a worker is writing for one service: appended to, closed when it is large or old enough."""

from __future__ import annotations

import os
from contextlib import suppress
from fcntl import LOCK_EX, flock
from time import monotonic
from typing import TYPE_CHECKING

from featurestore.server.log.segments import LENGTH, MARK, NEW, OPEN, WHOLE, folder_of
from featurestore.storage.whole_files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


def spool_of(project_dir: Path) -> Path:
    """Where the workers of a project's servers write: on this machine, and not committed."""
    return project_dir / ".featurestore" / "feature_log"


def spool_problem(spool: Path) -> str | None:
    """Why nothing can be written to a spool; None where it can. The folder is made if it is not there."""
    probe = spool / f".probe-{os.getpid()}"
    try:
        spool.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, _PRIVATE_FILE))
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


class SegmentWriter:
    """Writes one service's records; one thread uses it.

    Every method raises OSError when the disk refuses; nothing that was written before is lost by that.

    Attributes:
        size_bytes, records: of the segment that is open.
        path: of that segment; of the folder, before the first.
    """

    def __init__(self, spool: Path, service: str, worker: str) -> None:
        self._folder = folder_of(spool, service)
        self._worker = worker
        self._number = 0
        self._descriptor: int | None = None
        self.path = self._folder
        self._opened_s = 0.0
        self.size_bytes = self.records = 0

    @property
    def age_s(self) -> float:
        """How long the segment has been open; 0 where none is."""
        return 0.0 if self._descriptor is None else monotonic() - self._opened_s

    @property
    def is_removed(self) -> bool:
        """Whether somebody removed the open segment: what is written to it is lost."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def write(self, records: Sequence[bytes]) -> int:
        """Append records; returns how many of them are in the spool.

        That is all of them, or OSError is raised and it is none; or some, where the disk refuses both the rest and to
        take these back: then the segment is given up, and the next call begins another.
        """
        descriptor = self._open() if self._descriptor is None else self._descriptor
        pack = LENGTH.pack
        data = memoryview(b"".join([part for record in records for part in (pack(len(record)), record)]))
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError:
            kept = 0 if self._is_taken_back() else _whole(records, written)
            if not kept:
                raise
            return kept
        self.size_bytes += len(data)
        self.records += len(records)
        return len(records)

    def finish(self) -> int:
        """Force the segment to disk and name it a whole one; returns how many records are lost as it was removed."""
        if self._descriptor is None:
            return 0
        try:
            if self.size_bytes > len(MARK):
                os.fsync(self._descriptor)
                self.path.rename(self.path.with_suffix(WHOLE))
            else:
                self.path.unlink()
        except FileNotFoundError:
            lost = self.records
            self._forget()
            return lost
        self._forget()
        sync_folder(self._folder)
        return 0

    def _open(self) -> int:
        """Make a segment; it has its name only when its lock is held, so that nobody takes it for an orphan."""
        self._folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._number += 1
        path = self._folder / f"{self._worker}-{self._number:06}{OPEN}"
        new = path.with_suffix(NEW)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, _PRIVATE_FILE)
        try:
            flock(descriptor, LOCK_EX)
            os.write(descriptor, MARK)
            new.rename(path)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                new.unlink()
            raise
        self._descriptor, self.path = descriptor, path
        self._opened_s, self.size_bytes = monotonic(), len(MARK)
        return descriptor

    def _is_taken_back(self) -> bool:
        """Cut off what was written in part; a file that cannot be cut is left to its reader, who knows its end."""
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, self.size_bytes)
        except OSError:
            self._forget()
            return False
        return True

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self.size_bytes, self.records = None, 0, 0


def _whole(records: Sequence[bytes], written: int) -> int:
    """How many records are whole in so many bytes."""
    count = 0
    for record in records:
        written -= LENGTH.size + len(record)
        if written < 0:
            break
        count += 1
    return count
