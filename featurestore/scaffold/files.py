"""Write new files only: what is there is kept, whatever it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from featurestore.errors import OperationError, UsageError
from featurestore.manifest.paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Outcome = Literal["created", "extended", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one file.

    Attributes:
        path: relative to the project, with slashes.
        outcome: ``created``, ``extended`` by lines at its end, or ``kept`` as it was.
        note: why, where that is not plain.
    """

    path: str
    outcome: Outcome
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a file shall hold.

    Attributes:
        path: relative to the project, with slashes.
        before: what it holds now; None for a file that is not there.
        after: what it shall hold.
    """

    path: str
    before: bytes | None = None
    after: bytes


def create_files(folder: Path, contents: Mapping[str, bytes]) -> tuple[Written, ...]:
    """Write each file that is not there.

    Args:
        folder: what the paths are relative to; made if it is missing.
        contents: bytes by path, in the order to write.

    Returns:
        One outcome per file, in order.

    Raises:
        OperationError: a file cannot be written; those before it are there.
    """
    return tuple(_create(folder, path, content) for path, content in contents.items())


def write_together(folder: Path, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write files all or none, each whole or not at all; one that has the content already is kept.

    Args:
        folder: what the paths are relative to; made if it is missing.
        changes: one per path.

    Returns:
        One outcome per file, in order.

    Raises:
        UsageError: files are there with another content than before; names them all, and nothing was written.
        OperationError: a file cannot be written; what was new is removed again.
    """
    here = {change.path: _content(folder / change.path) for change in changes}
    conflicts = [change.path for change in changes if here[change.path] not in {change.before, change.after}]
    if conflicts:
        named = ", ".join(shown_path(folder / path) for path in conflicts)
        hint = "move or delete them, or write into another folder; nothing was written"
        raise UsageError(f"{len(conflicts)} of the files are there already, and differ: {named}", hint=hint)
    due = [change for change in changes if here[change.path] != change.after]
    staged: list[tuple[Path, Change]] = []
    done: list[Path] = []
    try:
        staged.extend((_stage(folder / change.path, change.after), change) for change in due)
        for half, change in staged:
            if change.before is None:
                os.link(half, folder / change.path)
                done.append(folder / change.path)
        for half, change in staged:
            if change.before is not None:
                half.replace(folder / change.path)
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        raise _not_written(Path(error.filename2 or error.filename or folder), error) from error
    finally:
        for half, _ in staged:
            half.unlink(missing_ok=True)
    return tuple(Written(path=change.path, outcome=_outcome(change, change in due)) for change in changes)


def extend_lines(folder: Path, path: str, lines: Sequence[str]) -> Written:
    """Add the lines that a text file lacks to its end; the rest of it stays as it is, byte for byte.

    Raises:
        OperationError: it cannot be read or written.
    """
    target = folder / path
    if not target.exists():
        return _create(folder, path, _joined(lines))
    try:
        content = target.read_bytes()
        missing = _missing(content, lines)
        if not missing:
            return Written(path=path, outcome="kept")
        gap = b"" if not content or content.endswith(b"\n") else b"\n"
        with target.open("ab") as file:
            file.write(gap + _joined(missing))
    except OSError as error:
        raise _not_written(target, error) from error
    return Written(path=path, outcome="extended", note=f"added {', '.join(missing)}")


def _create(folder: Path, path: str, content: bytes) -> Written:
    target = folder / path
    if target.exists():
        return Written(path=path, outcome="kept")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise _not_written(target, error) from error
    return Written(path=path, outcome="created")


def _content(path: Path) -> bytes | None:
    """What a file holds; None where there is nothing of this name."""
    if not (path.exists() or path.is_symlink()):
        return None
    try:
        return path.read_bytes()
    except OSError:
        return b""  # a folder, or a file that cannot be read: never what was meant


def _stage(path: Path, content: bytes) -> Path:
    """Write what a file shall hold beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with half.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        half.unlink(missing_ok=True)
        raise
    return half


def _outcome(change: Change, is_due: bool) -> Outcome:
    if not is_due:
        return "kept"
    return "created" if change.before is None else "extended"


def _missing(content: bytes, lines: Iterable[str]) -> list[str]:
    """The lines that a file of patterns lacks; ``/x/``, ``x/``, ``x`` and ``x/*`` (exceptions may follow) are one."""
    present = {line.strip().removesuffix("*").strip("/") for line in content.decode(errors="replace").splitlines()}
    return [line for line in lines if line.strip("/") not in present]


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _not_written(path: Path, error: OSError) -> OperationError:
    hint = "make the place writable and run it again; what was written stays"
    return OperationError(f"cannot be written: {error.strerror}", where=shown_path(path), hint=hint)
