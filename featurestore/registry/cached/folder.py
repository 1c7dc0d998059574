"""Where readers keep what they have read: a folder of this user alone, without which everything works, but slower.

Shape: ``<cache>/registry/<hash of the place>/`` with ``v0000000042.kept`` and ``newest.json``, when it was looked at.
Nothing here raises: what cannot be read or written is not there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from featurestore.registry.cached.form import KeptVersion, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER_VARIABLE = "FEATURESTORE_CACHE_DIR"
_KEPT = 3
_UNUSED_S = 90 * 24 * 3600
_HALF_S = 3600
_HALF = ".half-"
_ENDING = ".kept"
_LOOK_ENDING = ".json"
_ELSEWHERE = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME"),
}
"""What else says, by scheme, which bucket a name means."""
_HASH = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which document it is, without reading it.

    Attributes:
        number: the version's.
        stamp: of its file; another one means that the file is another one.
    """

    number: int
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When the registry was looked at, and what was found.

    Attributes:
        at: seconds since 1970.
        mark: what readers take.
        is_over: whether this user has written to the registry since, so that it no longer counts.
    """

    at: float
    mark: Mark
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """What is kept of one registry."""

    path: Path

    def last_look(self, version: str | None) -> Look | None:
        """When readers of this version, None is the newest, last looked; None if never."""
        return self._read_look(self.path / _look_name(version))

    def _read_look(self, path: Path) -> Look | None:
        data = self._read(path.name)
        try:
            return None if data is None else msgspec.json.decode(data, type=Look)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def note_look(self, version: str | None, mark: Mark) -> None:
        """Note that readers of this version looked now."""
        self._write(_look_name(version), msgspec.json.encode(Look(at=time.time(), mark=mark)))

    def end_looks(self) -> None:
        """Let no look count any longer; when it was stays known."""
        with suppress(OSError):
            for path in self.path.glob(f"*{_LOOK_ENDING}"):
                look = self._read_look(path)
                if look is not None:
                    self._write(path.name, msgspec.json.encode(replace(look, is_over=True)))

    def load(self, mark: Mark, *, where: str) -> KeptVersion | None:
        """The version of this mark, if it is kept; `where` names its document in errors."""
        data = self._read(_version_name(mark.number))
        kept = None if data is None else unpack(data, where=where)
        is_it = kept is not None and (kept.index.envelope.version, kept.index.stamp) == (mark.number, mark.stamp)
        return kept if is_it else None

    def keep(self, number: int, data: bytes) -> None:
        """Keep a version as `form.pack` wrote it, and let go of old ones."""
        self._write(_version_name(number), data)
        self._sweep()

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes() if self._is_believed() else None
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        half = self.path / f"{_HALF}{os.getpid()}-{os.urandom(4).hex()}"
        with suppress(OSError):
            _make(self.path)
            if not self._is_believed():
                return
            try:
                descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with open(descriptor, "wb") as file:  # noqa: PTH123
                    file.write(data)
                half.replace(self.path / name)
            finally:
                half.unlink(missing_ok=True)

    def _is_believed(self) -> bool:
        """Whether nobody else can put anything here, nor another folder in this one's place."""
        return _is_ours(self.path) and _is_ours(self.path.parent)

    def _sweep(self) -> None:
        """Remove versions but the last few and those that readers take, what killed writers left, unused registries."""
        with suppress(OSError):
            looks = map(self._read_look, self.path.glob(f"*{_LOOK_ENDING}"))
            taken = {_version_name(look.mark.number) for look in looks if look is not None}
            newest_first = sorted(self.path.glob(f"*{_ENDING}"), key=_age)
            old = [
                *(each for each in newest_first[_KEPT:] if each.name not in taken),
                *(each for each in self.path.glob(f"{_HALF}*") if _age(each) > _HALF_S),
            ]
            for path in old:
                path.unlink(missing_ok=True)
            for folder in self.path.parent.iterdir():
                if _HASH.fullmatch(folder.name) and _is_ours(folder) and _age(folder) > _UNUSED_S:
                    _empty(folder)


def cache_folder(location: str, endpoint: str | None, environ: Mapping[str, str]) -> CacheFolder | None:
    """Find the folder of a registry; nothing is made.

    Args:
        location: the registry's, as `RegistryFiles.location` has it.
        endpoint: of its object store, if its place names one.
        environ: environment variables: ``FEATURESTORE_CACHE_DIR``, ``XDG_CACHE_HOME``; those that name an endpoint or
            an account, since equal names at two of them are two buckets.

    Returns:
        The folder; None for a user without a home.
    """
    elsewhere = (environ.get(name, "") for name in _ELSEWHERE.get(location.partition("://")[0], ()))
    identity = "\n".join((location, endpoint or "", *elsewhere))
    name = hashlib.sha256(identity.encode()).hexdigest()[:32]
    given, xdg = environ.get(FOLDER_VARIABLE), environ.get("XDG_CACHE_HOME")
    try:
        base = Path(given).expanduser() if given else Path(xdg or "~/.cache").expanduser() / "featurestore"
    except RuntimeError:
        return None
    return CacheFolder(base.absolute() / "registry" / name)


def _make(path: Path) -> None:
    """Make the folder, and those above it that are of this package, for this user alone."""
    path.parent.parent.parent.mkdir(parents=True, exist_ok=True)
    for folder in (path.parent.parent, path.parent, path):
        folder.mkdir(mode=0o700, exist_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether nobody else can write there: what is read from there is believed."""
    try:
        found = path.lstat()
    except OSError:
        return False
    if sys.platform == "win32":
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _age(path: Path) -> float:
    return time.time() - path.lstat().st_mtime


def _empty(folder: Path) -> None:
    for path in _files(folder):
        path.unlink(missing_ok=True)
    folder.rmdir()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def _version_name(number: int) -> str:
    return f"v{number:010d}{_ENDING}"


def _look_name(version: str | None) -> str:
    return f"{version or _NEWEST}{_LOOK_ENDING}"
