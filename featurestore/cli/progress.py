"""A progress line while a sync runs, on a terminal only."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressLine:
    """The line, on stderr; nothing where stderr is no terminal."""

    progress: Progress | None = None
    task: TaskID | None = None

    def rows(self, view: str, rows: int) -> None:
        """Show how many rows of a view were read so far."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=view, completed=rows)

    def aside(self, say: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """Return `say`, with the line out of its way."""

        def said(outcome: Outcome) -> None:
            if self.progress is None:
                say(outcome)
                return
            self.progress.stop()
            say(outcome)
            self.progress.start()

        return said


@contextmanager
def progress_line() -> Iterator[ProgressLine]:
    """Show the line until the block ends, and then remove it."""
    if not sys.stderr.isatty():
        yield ProgressLine()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}  {task.completed:,.0f} rows"), TimeElapsedColumn())
    # Rich would send to stderr what is printed on stdout.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        yield ProgressLine(progress=progress, task=progress.add_task("reading", total=None))
