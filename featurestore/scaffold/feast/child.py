"""Feast's own Python in a process of its own: found, run with the reader's text, held to limits of time and size.

The child's stdout is the answer and nothing else (the reader takes it away from all other code); its stderr is kept for
the last line, which is what an error shows.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from featurestore.errors import OperationError, UsageError, without_secrets
from featurestore.manifest.paths import shown_path
from featurestore.texts import one_line, size

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "FEAST_PYTHON"
READER = Path(__file__).with_name("reader.py")
_GIVE = f"give the Python that has Feast: --feast-python PATH, or {VARIABLE}=PATH"
_SHEBANG_BYTES = 512
_TAIL_BYTES = 16_384
_LONGEST_LINE = 400
_DRAINED_S = 5
_OF_OUR_PYTHON = frozenset(("PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a child may take: seconds until it has answered, and bytes of its answer."""

    seconds: float = 300
    answer_bytes: int = 64 * 1024 * 1024


def find_feast_python(named: str | None, environ: Mapping[str, str]) -> Path:
    """Find the interpreter that has Feast.

    Args:
        named: as the option says; else FEAST_PYTHON, else the interpreter of the `feast` command on the PATH.
        environ: environment variables.

    Raises:
        UsageError: there is none; says what to give.
    """
    for place, value in (("--feast-python", named), (VARIABLE, environ.get(VARIABLE))):
        if value:
            found = shutil.which(Path(value).expanduser(), path=environ.get("PATH"))
            if found is None:
                raise UsageError(f"no program at {value}", where=place, hint=_GIVE)
            return Path(found).absolute()
    command = shutil.which("feast", path=environ.get("PATH"))
    if command is None:
        raise UsageError("no Python with Feast: there is no `feast` command on the PATH", hint=_GIVE)
    found_by = _interpreter_of(Path(command), environ)
    if found_by is None:
        raise UsageError("the `feast` command does not say which Python runs it", where=command, hint=_GIVE)
    return found_by


def run_reader(python: Path, folder: Path, environ: Mapping[str, str], limits: Limits) -> bytes:
    """Run the reader in a repository's folder.

    Args:
        python: as `find_feast_python` gives it.
        folder: of the repository; the child's current folder.
        environ: environment variables, which the repository's files may need.
        limits: beyond which the child is ended.

    Returns:
        What it answered.

    Raises:
        UsageError: the interpreter cannot be started.
        OperationError: it failed, took too long, or answered too much.
    """
    words = [str(python), "-c", READER.read_text(encoding="utf-8")]
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own Feast
            words,
            cwd=folder,
            env={name: value for name, value in environ.items() if name not in _OF_OUR_PYTHON},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"cannot be started: {error.strerror}", where=str(python), hint=_GIVE) from error
    with process:
        answer, said, is_late = _watch(process, limits)
    where = shown_path(folder)
    if answer.is_too_much:
        what = f"the repository has more than {size(limits.answer_bytes)} of definitions"
        raise OperationError(what, where=where, hint="import a part of it: leave files out by .feastignore")
    if is_late:
        what = f"reading the repository did not end within {limits.seconds:g} seconds"
        hint = (
            f"its files do more than define features: see what `feast plan` does there; last said: {said.last_line()}"
        )
        raise OperationError(what, where=where, hint=hint)
    if process.returncode != 0:
        raise _failed(said.last_line(), process.returncode, python, where)
    return bytes(answer.content)


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> tuple[_Kept, _Kept, bool]:
    """Wait for the child; returns its answer, what else it said, and whether its time ran out."""
    assert process.stdout is not None
    assert process.stderr is not None
    answer = _Kept(process.stdout, most_bytes=limits.answer_bytes, of=process)
    said = _Kept(process.stderr, last_bytes=_TAIL_BYTES)
    is_late = False
    try:
        process.wait(limits.seconds)
    except subprocess.TimeoutExpired:
        is_late = True
    finally:
        _end(process)
    for each in (answer, said):
        each.join(_DRAINED_S)
    return answer, said, is_late


def _failed(line: str, code: int, python: Path, where: str) -> OperationError:
    if line == "ModuleNotFoundError: No module named 'feast'":
        return OperationError(f"{python} has no Feast", where=where, hint=_GIVE)
    said = line or (f"exit code {code}" if code > 0 else f"ended by signal {-code}")
    hint = f"`feast plan` with the same Python ({shlex.quote(str(python))}) has to work there first"
    return OperationError(f"the Feast repository cannot be read: {said}", where=where, hint=hint)


class _Kept(threading.Thread):
    """What a pipe says, read as it comes so that nobody waits: up to a limit, or only its end."""

    def __init__(
        self,
        pipe: IO[bytes],
        *,
        most_bytes: int | None = None,
        last_bytes: int | None = None,
        of: subprocess.Popen[bytes] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.content = bytearray()
        self.is_too_much = False
        self._pipe, self._most, self._last, self._of = pipe, most_bytes, last_bytes, of
        self.start()

    def run(self) -> None:
        """Read until the other end is closed, or said too much."""
        with contextlib.suppress(OSError, ValueError):  # closed under us: the child was ended
            while chunk := os.read(self._pipe.fileno(), 65_536):
                self.content += chunk
                if self._most is not None and len(self.content) > self._most:
                    self.is_too_much = True
                    if self._of is not None:
                        _end(self._of)
                    return
                if self._last is not None:
                    del self.content[: -self._last]

    def last_line(self) -> str:
        """The last line that says something, without control characters and secrets."""
        lines = [line for line in bytes(self.content).decode(errors="replace").splitlines() if line.strip()]
        shown = "".join(each if each.isprintable() else " " for each in lines[-1]) if lines else ""
        return one_line(without_secrets(shown), _LONGEST_LINE)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and what it started, which may hold its pipes open."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _interpreter_of(command: Path, environ: Mapping[str, str]) -> Path | None:
    """The interpreter that a script's first line names, also through ``/usr/bin/env``."""
    try:
        with command.open("rb") as file:
            head = file.read(_SHEBANG_BYTES)
    except OSError:
        return None
    lines = head.decode(errors="replace").splitlines()
    if not lines or not lines[0].startswith("#!"):
        return _beside(command)
    words = lines[0][2:].split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    found = shutil.which(words[0], path=environ.get("PATH")) if words else None
    if found is None or not Path(found).name.lower().startswith(("python", "pypy")):
        return _beside(command)
    return Path(found).absolute()


def _beside(command: Path) -> Path | None:
    """The Python in the command's own folder, for ``/bin/sh`` scripts of long paths and commands that are programs."""
    found = shutil.which("python", path=str(command.parent))
    return None if found is None else Path(found).absolute()
