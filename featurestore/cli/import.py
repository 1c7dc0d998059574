"""``featurestore import``: from another feature store's repository to a dbt project."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.texts import aligned, counted

if TYPE_CHECKING:
    from featurestore.scaffold.feast.run import Imported

_DEFAULT_LIMIT_S = 300


@click.group("import", epilog=example("featurestore import feast ../feature_repo"))
def command() -> None:
    """Bring the definitions of another feature store into a dbt project."""


@command.command(
    "feast",
    short_help="Bring a Feast repository into a dbt project.",
    epilog=example("featurestore import feast ../feature_repo --feast-python ../.venv/bin/python --output features"),
)
@click.argument("repo", metavar="REPO")
@click.option(
    "--feast-python",
    metavar="PATH",
    help="The Python that has Feast; else FEAST_PYTHON, else that of the `feast` command on the PATH.",
)
@click.option(
    "--output", metavar="DIR", help="Folder of the dbt project, made where there is none; else --project-dir."
)
@click.option(
    "--time-limit",
    "time_limit_s",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT_LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long Feast's Python may take to read REPO.",
)
@common_options
def feast(common: Common, repo: str, feast_python: str | None, output: str | None, time_limit_s: float) -> None:
    """Bring the Feast repository REPO into a dbt project.

    Its Python files are run by Feast's own Python, in a process of its own, as `feast plan` runs them; no registry and
    no store is contacted. Each feature view becomes a model with its YAML, data sources become sources of the dbt
    project, feature services exposures; entities and the online store go into featurestore.yml. What has no equal here
    is listed, with what to do, on stdout and in feast_import.md. No file that says something else is overwritten.
    """
    from featurestore.scaffold.feast.child import Limits
    from featurestore.scaffold.feast.run import import_feast

    done = import_feast(
        Path(repo),
        Path(output or common.project_dir),
        feast_python=feast_python,
        environ={**os.environ, **_dbt_variables(common)},
        limits=Limits(seconds=time_limit_s),
    )
    if common.as_json:
        result_json(
            {
                "project": done.project,
                "feast": done.feast,
                "adapter": done.adapter,
                "project_dir": done.folder.as_posix(),
                "is_changed": done.is_changed,
                "files": done.files,
                "made": done.made,
                "notes": done.notes,
                "next": _next_steps(done),
            }
        )
        return
    _show(done)


def _dbt_variables(common: Common) -> dict[str, str]:
    """What dbt's options say, as the variables that say it: they name the profile of a project that is there."""
    said = {
        "DBT_PROFILES_DIR": common.profiles_dir,
        "DBT_PROFILE": common.profile,
        "DBT_TARGET": common.target,
    }
    return {name: value for name, value in said.items() if value is not None}


def _show(done: Imported) -> None:
    from featurestore.texts import one_line

    result(_headline(done))
    if done.is_changed:
        result(aligned([[each.outcome, each.path] for each in done.files if each.outcome != "kept"], indent="  "))
    if done.notes:
        result("\nNo equal here, and what to do:")
    for note in done.notes:
        result(f"  {note.kind} {_shown(note.name)}: {one_line(note.what, _LONGEST)}")
        result(f"    -> {one_line(note.hint, _LONGEST)}")
    if not done.is_changed:
        return
    say("\nNext:")
    for step in _next_steps(done):
        say(f"  {step}")


_LONGEST = 1_000


def _shown(name: str) -> str:
    from featurestore.texts import one_line

    return "".join(each if each.isprintable() else " " for each in one_line(name, _LONGEST))


def _headline(done: Imported) -> str:
    place = "this folder" if done.folder == Path() else done.folder.as_posix()
    if not done.is_changed:
        return f"Nothing to do: the dbt project in {place} has all of the Feast project {_shown(done.project)}."
    count = sum(written.outcome != "kept" for written in done.files)
    return (
        f"Imported the Feast project {_shown(done.project)} into {place}, for {done.adapter}: {counted(count, 'file')}."
    )


def _next_steps(done: Imported) -> list[str]:
    from featurestore.scaffold.feast.report import NEXT

    enter = [] if done.folder == Path() else [f"cd {shlex.quote(done.folder.as_posix())}"]
    return [*enter, *NEXT]
