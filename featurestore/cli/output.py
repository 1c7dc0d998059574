"""Results on stdout, talk on stderr; tables are plain aligned text (`texts`)."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from featurestore.texts import GAP, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_ROOM = 20


def result(text: str = "") -> None:
    """Print a part of the result."""
    click.echo(text)


def result_json(value: object) -> None:
    """Print the result as indented JSON; dataclasses become objects, times ISO text."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def say(text: str) -> None:
    """Say something that is not the result."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Say a warning."""
    click.echo(f"{click.style('Warning:', fg='yellow')} {text}", err=True)


def fitted(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Cut the last column so that each line fits the terminal; where stdout is none, nothing is cut."""
    before = sum(max(map(len, column)) + len(GAP) for column in list(zip(*rows, strict=True))[:-1])
    room = shutil.get_terminal_size().columns - before
    if not sys.stdout.isatty() or room < _LEAST_ROOM:
        return rows
    return [[*row[:-1], one_line(row[-1], room)] for row in rows]
