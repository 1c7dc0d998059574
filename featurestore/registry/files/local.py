"""Registry documents in a directory, safe from crashes and from each other.

A file is written under a temporary name, forced to disk and then linked to its name: the link is atomic
and fails when the name is taken (SEMANTICS R1, R2). What a killed writer leaves is swept by a later one.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import RegistryCorruptError, RegistryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPORARY_PREFIX = ".featurestore-tmp-"
SWEEP_AFTER_S = 3600
_HINTS = {
    errno.ENOSPC: "free some space on this disk and run the command again; every version before is intact",
    errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
    errno.EFBIG: "the file may not grow this large here (ulimit -f); every version before is intact",
    errno.EACCES: "give this user the right to read and write this directory",
    errno.EPERM: "give this user the right to write here, on a file system that has hard links",
    errno.EROFS: "the file system is read-only; put `registry` in featurestore.yml where it can be written",
    errno.EEXIST: "`registry` in featurestore.yml names a file; name a directory",
    errno.ENOTDIR: "`registry` in featurestore.yml names a file or leads through one; name a directory",
    errno.ENOTSUP: "this file system has no hard links; put `registry` in featurestore.yml on another one",
    errno.ELOOP: "the path leads in a circle of symbolic links; name the directory itself",
}


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """A directory of registry documents; it is made when the first one is created."""

    root: Path

    @property
    def location(self) -> str:
        """The directory's path."""
        return str(self.root)

    def names(self) -> Sequence[str]:
        """Names of all files, sorted; none when the directory does not exist yet."""
        try:
            return sorted(name for name in os.listdir(self.root) if not name.startswith("."))  # noqa: PTH208
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable("read", self.root, error) from error

    def read(self, name: str) -> bytes:
        """Read one file; a symbolic link or a directory in its place is refused, never followed."""
        path = self._path(name)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise RegistryCorruptError(
                    "expected a file, got a directory, a symbolic link or a device",
                    where=str(path),
                    hint="move it out of the registry; a link is not followed, because it may lead anywhere",
                )
            return path.read_bytes()
        except OSError as error:
            raise _unavailable("read", path, error) from error

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all; False when the name is taken."""
        path = self._path(name)
        temporary = self.root / f"{TEMPORARY_PREFIX}{name}-{os.urandom(8).hex()}"
        try:
            self._make_root()
            self._sweep()
            try:
                _write_new(temporary, data)
                created = _link_new(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_directory(self.root)
        except OSError as error:
            raise _unavailable("write", path, error) from error
        return created

    def _path(self, name: str) -> Path:
        assert not name.startswith("."), f"not a file name: {name!r}"
        assert not set(name) & set("/\\:\0"), f"not a file name: {name!r}"
        return self.root / name

    def _make_root(self) -> None:
        if not self.root.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            _sync_directory(self.root.parent)

    def _sweep(self) -> None:
        """Remove what writers that were killed have left, but nothing that one may still be writing."""
        oldest = time.time() - SWEEP_AFTER_S
        for name in os.listdir(self.root):  # noqa: PTH208
            if name.startswith(TEMPORARY_PREFIX):
                _remove_older(self.root / name, oldest)


def _remove_older(path: Path, oldest: float) -> None:
    try:
        if path.lstat().st_mtime < oldest:
            path.unlink()
    except OSError:  # another writer swept it first, or it is not ours to remove: it does no harm
        return


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _link_new(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


def _sync_directory(path: Path) -> None:
    """Make a new name survive a power cut; Windows does this by itself and cannot open a directory."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(verb: str, path: Path, error: OSError) -> RegistryUnavailableError:
    reason = error.strerror or type(error).__name__
    hint = _HINTS.get(error.errno or 0, "check `registry` in featurestore.yml and the disk it names")
    return RegistryUnavailableError(f"cannot {verb} the registry: {reason}", where=str(path), hint=hint)
