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
from featurestore.registry.files.protocol import MOST_BYTES, segments, too_large

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

    def names(self, folder: str = "") -> Sequence[str]:
        """Names of all files in a folder, sorted; a link is one of them, so that reading it is refused aloud."""
        return sorted(name for name, is_folder in self._entries(folder) if not is_folder)

    def folders(self, folder: str = "") -> Sequence[str]:
        """Names of all folders in a folder, sorted, without those of which only the shell is left."""
        below = f"{folder}/" if folder else ""
        return sorted(name for name, is_folder in self._entries(folder) if is_folder and self._entries(below + name))

    def read(self, name: str) -> bytes | None:
        """Read one file; a link or a directory in its place or on the way, or too large a file, is refused."""
        path = self._path(name)
        try:
            if not self._is_file(path):
                return None
            size_bytes = path.lstat().st_size
            if size_bytes > MOST_BYTES:
                raise too_large(size_bytes, str(path))
            return path.read_bytes()
        except FileNotFoundError:  # it was deleted meanwhile
            return None
        except OSError as error:
            raise _unavailable("read", path, error) from error

    def stamp(self, name: str) -> str | None:
        """Which file it is, of which size, and when it was written; what is no file has one, too."""
        path = self._path(name)
        try:
            found = path.lstat() if self._has_folder(path.parent) else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable("read", path, error) from error
        return None if found is None else f"{found.st_dev}-{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all; False when the name is taken."""
        path = self._path(name)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.urandom(8).hex()}")
        try:
            self._make_folder(path.parent)
            _sweep(path.parent)
            try:
                _write_new(temporary, data)
                created = _link_new(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_directory(path.parent)
        except OSError as error:
            raise _unavailable("write", path, error) from error
        if not created and path.is_dir() and not path.is_symlink():
            raise _not_a_file(path)
        return created

    def delete(self, name: str) -> bool:
        """Delete one file; False when there was none. What is no file is refused, and stays."""
        path = self._path(name)
        try:
            if not self._is_file(path):
                return False
            path.unlink()
            _sync_directory(path.parent)
        except FileNotFoundError:  # another one was faster
            return False
        except OSError as error:
            raise _unavailable("delete from", path, error) from error
        return True

    def _path(self, name: str) -> Path:
        assert name, "expected a file's name, got none"
        return self.root.joinpath(*segments(name))

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Each entry's name, and whether it is a folder; nothing when this folder does not exist.

        No folder of ours has a dot in its name: one that has is called a file, so that reading it is refused aloud.
        """
        path = self.root.joinpath(*segments(folder))
        try:
            if not self._has_folder(path):
                return []
            with os.scandir(path) as entries:
                return [
                    (each.name, "." not in each.name and each.is_dir(follow_symlinks=False))
                    for each in entries
                    if not each.name.startswith(".")
                ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable("read", path, error) from error

    def _is_file(self, path: Path) -> bool:
        """Whether there is a file; refuses what is something else."""
        if not self._has_folder(path.parent):
            return False
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            raise _not_a_file(path)
        return True

    def _has_folder(self, path: Path) -> bool:
        """Whether this folder of ours exists; refuses a link in the place of one. The root may be one: it is named."""
        for folder in self._folders_to(path):
            try:
                mode = folder.lstat().st_mode
            except FileNotFoundError:
                return False
            if not stat.S_ISDIR(mode):
                raise RegistryCorruptError(
                    "expected a directory, got a file, a symbolic link or a device",
                    where=str(folder),
                    hint="move it out of the registry; a link is not followed, because it may lead anywhere",
                )
        return True

    def _folders_to(self, path: Path) -> list[Path]:
        return [each for each in (*reversed(path.parents), path) if self.root in each.parents]

    def _make_folder(self, path: Path) -> None:
        if not self.root.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            _sync_directory(self.root.parent)
        if self._has_folder(path):
            return
        for folder in self._folders_to(path):
            folder.mkdir(exist_ok=True)
            _sync_directory(folder.parent)
        self._has_folder(path)


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed have left, but nothing that one may still be writing."""
    oldest = time.time() - SWEEP_AFTER_S
    for name in os.listdir(folder):  # noqa: PTH208
        if name.startswith(TEMPORARY_PREFIX):
            _remove_older(folder / name, oldest)


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


def _not_a_file(path: Path) -> RegistryCorruptError:
    return RegistryCorruptError(
        "expected a file, got a directory, a symbolic link or a device",
        where=str(path),
        hint="move it out of the registry; a link is not followed, because it may lead anywhere",
    )


def _unavailable(verb: str, path: Path, error: OSError) -> RegistryUnavailableError:
    reason = error.strerror or type(error).__name__
    hint = _HINTS.get(error.errno or 0, "check `registry` in featurestore.yml and the disk it names")
    return RegistryUnavailableError(f"cannot {verb} the registry: {reason}", where=str(path), hint=hint)
