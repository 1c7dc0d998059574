"""Files that a command writes: what is there already stays, unless it says the same or may be written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec

import click

from featurestore.cli.output import say
from featurestore.errors import OperationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Options = ParamSpec("Options")


def write_once(path: Path, text: str, *, force: bool = False) -> None:
    """Write a text file and say so; its folder is made.

    Args:
        path: of the file.
        text: what it holds.
        force: whether a file that says something else is written anew; one of our pages always is.

    Raises:
        UsageError: another text is there already.
        OperationError: it cannot be written.
    """
    try:
        before = path.read_bytes() if path.exists() else None
        if not force and before is not None and before != text.encode() and not _is_our_page(before, text):
            raise UsageError(
                "a file with other contents is there already", where=str(path), hint="write elsewhere, or add --force"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OperationError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    say(f"Wrote {path}.")


def force_option(command: Callable[Options, None]) -> Callable[Options, None]:
    """Give a command ``--force``."""
    return click.option("--force", is_flag=True, help="Write a file anew that holds something else.")(command)


def _is_our_page(before: bytes, text: str) -> bool:
    from featurestore.catalog.pages import GENERATOR

    return GENERATOR in text and GENERATOR.encode() in before
