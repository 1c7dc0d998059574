"""Where a training set's file goes: a path of this machine, or an object store by its URI.

Shape of a write: `fill` writes the rows into a stream and returns the card; then file and card become visible, whole.
A card never stands beside other data than its own: the one before is set aside first, the new one comes last. A
training set in Parquet also carries its card inside, so that a process killed between the two has lost nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from featurestore.errors import OperationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMES = ("s3", "gs", "az")
"""Object stores that a training set can be written to: S3 and what speaks like it, Google Cloud, Azure."""

CARD_ENDING = ".json"
_SCHEME = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)$", re.DOTALL)
_BEFORE = ".before"
_SPACE = "check the folder, its permissions and free space"


class Place(Protocol):
    """One place for a file, and for the card beside it.

    Every method raises OperationError or ObjectStoreError when the place cannot be used.
    """

    @property
    def name(self) -> str:
        """As typed."""
        ...

    def check(self) -> None:
        """Find out before the work whether it could be written at all."""
        ...

    def write(self, fill: Callable[[IO[bytes]], bytes]) -> None:
        """Let `fill` write the file and return its card; both are there when it is done, or as they were before."""
        ...

    def card(self) -> bytes | None:
        """The card beside the file; None if there is none."""
        ...

    @contextmanager
    def card_aside(self) -> Iterator[Callable[[], None]]:
        """Set the card aside while the file is replaced; call what is yielded when the new file is in place."""
        ...

    def write_card(self, card: bytes) -> None:
        """Write the card alone: the file is there."""
        ...

    def files(self) -> list[str]:
        """Names of the Parquet files: the file itself, or those of a folder; none if nothing is there."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open one of `files` for reading, at any position."""
        ...


def place_of(text: str | Path) -> Place:
    """Find out which place is meant.

    Raises:
        UsageError: an unknown scheme, no bucket or no name, or a URI that holds a password (which is not repeated).
    """
    match = _SCHEME.match(str(text)) if not isinstance(text, Path) else None
    if match is None:
        return LocalPlace(Path(text))
    scheme = match["scheme"].lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise UsageError(f"cannot write to {scheme}://", hint=f"give a path, or one of {known}")
    bucket, _, key = match["rest"].partition("/")
    if "@" in bucket or "?" in key or "#" in key:
        hint = "give credentials in the environment, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise UsageError(f"a {scheme}:// URI is a bucket and a name, nothing else", hint=hint)
    if not bucket or not key or key.endswith("/"):
        raise UsageError(f"expected {scheme}://BUCKET/NAME, got {text}", hint=f"e.g. {scheme}://models/train.parquet")
    from featurestore.storage.object_store import ObjectPlace

    return ObjectPlace(scheme=scheme, bucket=bucket, key=key)


def is_uri(text: str) -> bool:
    """Whether a text is a URI and no path."""
    return _SCHEME.match(text) is not None


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A path of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """As typed."""
        return str(self.path)

    def check(self) -> None:
        """Refuse what is no file's name, or in no folder."""
        if not self.path.name:
            raise OperationError(f"cannot write {self.name!r}: it is no file's name", hint="e.g. train.parquet")
        if not self.path.parent.is_dir():
            raise OperationError(f"cannot write {self.path}: no folder {self.path.parent}", hint="make it first")
        with _told(self.path):
            other = next((each for each in self._inside() if each.suffix != ".parquet"), None)
        if other is not None:  # a folder is replaced whole, where the warehouse writes one
            hint = "choose another name, or remove what is there"
            raise OperationError(f"cannot write {self.path}: it is a folder that holds {other.name}", hint=hint)

    def write(self, fill: Callable[[IO[bytes]], bytes]) -> None:
        """Write beside, then put in place by renaming: first the file, then its card."""
        self.check()
        with _told(self.path):
            if self.path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            with _beside(self.path) as partial:
                with partial.open("xb") as stream:
                    card = fill(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                with _beside(self._card_path) as new_card:
                    new_card.write_bytes(card)  # a full disk is found now, while nothing has changed
                    with self.card_aside() as is_in_place:
                        partial.replace(self.path)
                        is_in_place()
                        new_card.replace(self._card_path)

    def card(self) -> bytes | None:
        """The card beside the file."""
        if not self.path.name:
            return None
        with _told(self._card_path, verb="read"):
            return self._card_path.read_bytes() if self._card_path.is_file() else None

    @contextmanager
    def card_aside(self) -> Iterator[Callable[[], None]]:
        """Rename the card to ``<card>.before`` until the new file is there; a failure brings it back."""
        with card_file_aside(self._card_path) as is_in_place:
            yield is_in_place

    def write_card(self, card: bytes) -> None:
        """Write the card alone, whole or not at all."""
        write_card_file(self._card_path, card)

    def files(self) -> list[str]:
        """The file, or the folder's Parquet files by name."""
        if self.path.is_dir():
            return sorted(str(each) for each in self._inside() if each.suffix == ".parquet")
        return [str(self.path)] if self.path.is_file() else []

    def open(self, name: str) -> IO[bytes]:
        """Open a file of it."""
        with _told(Path(name), verb="read"):
            return Path(name).open("rb")

    def _inside(self) -> Iterator[Path]:
        """What a folder holds, apart from the marks that engines leave there."""
        return (each for each in self.path.rglob("*") if each.is_file() and not each.name.startswith(("_", ".")))

    @property
    def _card_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}{CARD_ENDING}")


@contextmanager
def card_file_aside(path: Path) -> Iterator[Callable[[], None]]:
    """Rename a card to ``<card>.before`` while what it is about is replaced.

    Call what is yielded when the new data is in place. A failure before that brings the card back; a killed process
    leaves it under its other name, so that it never stands beside data of another run.
    """
    aside, placed = path.with_name(f"{path.name}{_BEFORE}"), []
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if path.exists():
            path.replace(aside)
    try:
        yield lambda: placed.append(True)
    finally:
        with suppress(OSError):
            if placed:
                aside.unlink()
            else:
                aside.replace(path)


def write_card_file(path: Path, card: bytes) -> None:
    """Write a card, whole or not at all; what it is about is there."""
    write_whole(path, card, hint=f"the training set itself is whole; {_SPACE}")


def write_whole(path: Path, data: bytes, *, hint: str = _SPACE) -> None:
    """Write a file, whole or not at all. Raises OperationError."""
    with _told(path, hint=hint), _beside(path) as partial:
        partial.write_bytes(data)
        partial.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        with suppress(OSError):  # where nothing could be written, nothing can be removed
            partial.unlink()


@contextmanager
def _told(path: Path, *, verb: str = "write", hint: str = _SPACE) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperationError(f"cannot {verb} {path}: {error.strerror or error}", hint=hint) from error
