"""Progress while a sync or a retrieval runs, on a terminal only."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

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

    def stage(self, about: str, done: int, total: int) -> None:
        """Show what is under way, and how many of how many steps are done."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=about, completed=done, total=total)

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


def progress_line() -> AbstractContextManager[ProgressLine]:
    """Show how many rows were read until the block ends, and then remove the line."""
    return _line("{task.description}  {task.completed:,.0f} rows", has_end=False)


def stage_line() -> AbstractContextManager[ProgressLine]:
    """Show a bar with one step per view until the block ends, and then remove it."""
    return _line("{task.description}", has_end=True)


@contextmanager
def _line(text: str, *, has_end: bool) -> Iterator[ProgressLine]:
    if not sys.stderr.isatty():
        yield ProgressLine()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = (BarColumn(), MofNCompleteColumn()) if has_end else ()
    columns = (SpinnerColumn(), *bar, TextColumn(text), TimeElapsedColumn())
    # Rich would send to stderr what is printed on stdout.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        yield ProgressLine(progress=progress, task=progress.add_task("reading", total=None))
