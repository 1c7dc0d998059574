"""Write new files only: what is there is kept, whatever it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featurestore.errors import OperationError
from featurestore.manifest.paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

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


def _missing(content: bytes, lines: Iterable[str]) -> list[str]:
    """The lines that a file of patterns lacks; ``/x/``, ``x/``, ``x`` and ``x/*`` (exceptions may follow) are one."""
    present = {line.strip().removesuffix("*").strip("/") for line in content.decode(errors="replace").splitlines()}
    return [line for line in lines if line.strip("/") not in present]


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _not_written(path: Path, error: OSError) -> OperationError:
    hint = "make the place writable and run it again; what was written stays"
    return OperationError(f"cannot be written: {error.strerror}", where=shown_path(path), hint=hint)
