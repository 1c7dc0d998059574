"""From arguments to an exit code: errors that a user can act on are printed bare, our own bugs keep their traceback."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from featurestore.cli.commands import featurestore
from featurestore.cli.failures import error_json, failure_json
from featurestore.cli.interrupts import INTERRUPTED, hear_once
from featurestore.cli.output import hear_registry
from featurestore.errors import FeatureStoreError
from featurestore.texts import seen

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    if arguments is None:
        hear_once()
        hear_registry()
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given[: given.index("--")] if "--" in given else "--json" in given
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of, our errors say
    color = False if os.environ.get("NO_COLOR") else None
    try:
        asked = featurestore.main(args=given, prog_name="featurestore", standalone_mode=False, color=color)
    except click.Abort as abort:
        return _interrupted(_told(abort) or "run it again", as_json=as_json)
    except click.ClickException as error:
        error.show()
        if as_json:
            _say_json(error_json("UsageError", error.format_message(), exit_code=error.exit_code))
        return error.exit_code
    except FeatureStoreError as error:
        _show(error, as_json=as_json)
        return error.exit_code
    return asked if isinstance(asked, int) else DONE  # what click makes of `click.exceptions.Exit`


def _show(error: FeatureStoreError, *, as_json: bool) -> None:
    click.echo(seen(f"Error: {error}"), err=True)
    if as_json:
        _say_json({**failure_json(error), "exit_code": error.exit_code})


def _told(abort: click.Abort) -> str:
    """What the command says about the state it left; click wraps its KeyboardInterrupt."""
    cause = abort.__cause__ or abort.__context__
    return " ".join(str(word) for word in (abort.args or (cause.args if cause is not None else ())))


def _interrupted(told: str, *, as_json: bool) -> int:
    click.echo(seen(f"interrupted; {told}"), err=True)
    if as_json:
        _say_json(error_json("Interrupted", f"interrupted; {told}", exit_code=INTERRUPTED))
    return INTERRUPTED


def _say_json(error: dict[str, object]) -> None:
    import json

    click.echo(json.dumps({"error": error}, ensure_ascii=False), err=True)
