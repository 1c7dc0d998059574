"""dbt as a command: find it, run it with its own output, read what this run did.

Ctrl-C reaches dbt once, and we wait for it to cancel its queries. Results that an earlier run left are never taken
for this run's.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.manifest.artifacts import load_run_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from featurestore.manifest.artifacts import RunResults

INSTALL = "pip install 'featurestore[dbt]', or name the program: DBT_EXECUTABLE=/path/to/dbt"
PROFILES = "profiles.yml"
_STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options that say which dbt project and target is meant; None leaves it to dbt."""

    project_dir: Path
    profiles_dir: Path | None = None
    profile: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A dbt command to be run.

    Attributes:
        arguments: without the program's name.
        folder: where it runs: the project's, since dbt-duckdb takes relative paths from there.
        environ: environment variables.
    """

    arguments: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a dbt command ended.

    Attributes:
        exit_code: dbt's; 128 + the signal's number if a signal ended it.
        interrupted: whether Ctrl-C was pressed meanwhile.
    """

    exit_code: int
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsBefore:
    """What lay in the target folder before a run: the id of the invocation that wrote it, None if nothing readable."""

    target_dir: Path
    invocation_id: str | None


def find_dbt(environ: Mapping[str, str]) -> Path:
    """Find the dbt program: DBT_EXECUTABLE, else beside this Python, else on the PATH.

    Raises:
        UsageError: there is none; says how to install it.
    """
    named = environ.get("DBT_EXECUTABLE")
    if named:
        found = shutil.which(named, path=environ.get("PATH"))
        if found is None:
            raise UsageError(f"no program at {named}", where="DBT_EXECUTABLE", hint="name the dbt program, or unset it")
        return Path(found).absolute()
    beside = shutil.which("dbt", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("dbt", path=environ.get("PATH"))
    if found is None:
        raise UsageError("dbt is not installed", hint=INSTALL)
    return Path(found).absolute()


def chosen_options(arguments: Sequence[str], options: Options) -> Options:
    """Let dbt's arguments win over our own options, so that a run of target prod is synced to prod's store."""
    project_dir = option_of(arguments, "--project-dir")
    profiles_dir = option_of(arguments, "--profiles-dir")
    return Options(
        project_dir=options.project_dir if project_dir is None else Path(project_dir),
        profiles_dir=options.profiles_dir if profiles_dir is None else Path(profiles_dir),
        profile=option_of(arguments, "--profile") or options.profile,
        target=option_of(arguments, "--target", "-t") or options.target,
    )


def dbt_call(arguments: Sequence[str], options: Options, environ: Mapping[str, str]) -> Call:
    """Prepare a dbt command that means the same project, profile and target as we do.

    Args:
        arguments: dbt's, as the user wrote them.
        options: as `chosen_options` gives them.
        environ: environment variables of this process.
    """
    told = without_options(arguments, "--project-dir", "--profiles-dir")
    for flag, value in (("--profile", options.profile), ("--target", options.target)):
        if value is not None and option_of(told, flag, *(("-t",) if flag == "--target" else ())) is None:
            told += (flag, value)
    changed = {name: value for name, value in environ.items() if name not in {"DBT_PROJECT_DIR", "DBT_PROFILES_DIR"}}
    profiles_dir = options.profiles_dir
    if profiles_dir is None and not (options.project_dir / PROFILES).is_file() and Path(PROFILES).is_file():
        profiles_dir = Path()  # dbt looks for it where it runs, which is not here
    if profiles_dir is not None:
        changed["DBT_PROFILES_DIR"] = str(profiles_dir.expanduser().absolute())
    return Call(arguments=told, folder=options.project_dir.absolute(), environ=changed)


def run_dbt(call: Call, *, to_stderr: bool = False) -> Finished:
    """Run dbt with this process's stdin, stdout and stderr, and wait for it.

    Args:
        call: the command.
        to_stderr: send what dbt prints to stderr, so that stdout stays ours.

    Raises:
        UsageError: dbt is not installed, or cannot be started.
    """
    program = find_dbt(call.environ)
    # A terminal sends Ctrl-C to dbt and to us. Without one dbt gets a session of its own, so that it hears Ctrl-C
    # from us only, and hears it once.
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own dbt with the user's own arguments
            [str(program), *call.arguments],
            cwd=call.folder,
            env=dict(call.environ),
            stdout=_STDERR if to_stderr else None,
            start_new_session=not has_terminal,
        )
    except OSError as error:
        raise UsageError(f"dbt cannot be started: {error.strerror}", where=str(program), hint=INSTALL) from error
    with process, _signals_passed_on(process, forward_interrupt=not has_terminal) as received:
        code = process.wait()
    exit_code = code if code >= 0 else 128 - code
    return Finished(exit_code=exit_code, interrupted=signal.SIGINT in received)


def results_before(target_dir: Path) -> ResultsBefore:
    """Note whose results lie in the target folder now."""
    try:
        found = load_run_results(target_dir).invocation_id
    except UsageError:
        found = None
    return ResultsBefore(target_dir=target_dir, invocation_id=found)


def results_of_run(before: ResultsBefore) -> RunResults | None:
    """Read the results that were written since; None when the command wrote none (parse, deps, a failed start)."""
    try:
        found = load_run_results(before.target_dir)
    except UsageError:
        return None
    return None if found.invocation_id in {"", before.invocation_id} else found


def option_of(arguments: Sequence[str], *flags: str) -> str | None:
    """Find the value of an option among dbt's arguments, ``--flag VALUE`` or ``--flag=VALUE``; the last one counts."""
    value: str | None = None
    for position, argument in enumerate(arguments):
        flag, equals, joined = argument.partition("=")
        if flag in flags and equals:
            value = joined
        elif argument in flags and position + 1 < len(arguments):
            value = arguments[position + 1]
    return value


def without_options(arguments: Sequence[str], *flags: str) -> tuple[str, ...]:
    """Leave options and their values out of dbt's arguments."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag not in flags:
            kept.append(word)
        elif not equals:
            next(words, None)
    return tuple(kept)


@contextmanager
def _signals_passed_on(process: subprocess.Popen[bytes], *, forward_interrupt: bool) -> Iterator[set[int]]:
    """Outlive Ctrl-C and SIGTERM until dbt has ended, and pass them on where dbt would not hear them."""
    received: set[int] = set()

    def note(number: int, _frame: FrameType | None) -> None:
        received.add(number)
        if process.poll() is None and (forward_interrupt or number != signal.SIGINT):
            process.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
