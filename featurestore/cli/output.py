"""Results on stdout, talk on stderr; tables are plain aligned text (`texts`).

The rule: no character that a terminal obeys goes to one, but for our own colours. Into a file or a pipe a result goes
as it is, as that of ``ls`` does; JSON has escapes for it anyway.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
from typing import TYPE_CHECKING

import click

from featurestore.errors import without_secrets
from featurestore.texts import GAP, UNSEEN, one_line, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_ROOM = 20
_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")


def result(text: str = "") -> None:
    """Print a part of the result."""
    if sys.stdout.isatty():
        text = "".join(part if _COLOUR.fullmatch(part) else seen(part) for part in _COLOUR.split(text))
    click.echo(text)


def result_json(value: object) -> None:
    """Print the result as indented JSON; dataclasses become objects, times ISO text."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    click.echo(UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def say(text: str) -> None:
    """Say something that is not the result."""
    click.echo(seen(text), err=True)


def warn(text: str) -> None:
    """Say a warning."""
    click.echo(f"{click.style('Warning:', fg='yellow')} {seen(text)}", err=True)


class _Warnings(logging.Handler):
    """Says the first warning of its logger; a command may read the registry more than once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._has_said = False

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        if not self._has_said:
            self._has_said = True
            warn(without_secrets(record.getMessage()))


def hear_registry() -> None:
    """Say on stderr that an older version is used, because the registry is away."""
    logger = logging.getLogger("featurestore.registry")
    logger.handlers = [_Warnings()]
    logger.propagate = False


def fitted(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Cut the last column so that each line fits the terminal, and leave it out where there is no room for any of it.

    Where stdout is no terminal, nothing is cut.
    """
    if not sys.stdout.isatty():
        return rows
    before = sum(max(map(len, column)) + len(GAP) for column in list(zip(*rows, strict=True))[:-1])
    room = shutil.get_terminal_size().columns - before
    return [[*row[:-1], one_line(row[-1], room)] if room >= _LEAST_ROOM else row[:-1] for row in rows]
