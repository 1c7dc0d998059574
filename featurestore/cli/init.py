"""``featurestore init``: the example project in a new folder, or what a dbt project lacks."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.errors import FeatureStoreError
from featurestore.scaffold.project import scaffold
from featurestore.scaffold.texts import METADATA
from featurestore.texts import aligned, counted

if TYPE_CHECKING:
    from featurestore.scaffold.files import Written
    from featurestore.scaffold.project import Scaffolded

_FOLDED_FROM = 4
_EXAMPLE_STEPS = (
    "dbt build",
    "featurestore apply",
    "featurestore training-set --spine order_labels --service repeat_purchase_v1 --output train.parquet",
    "featurestore materialize",
    "featurestore get-online --service repeat_purchase_v1 --entity customer_id=7,product_id=105",
)


@click.command("init", epilog=example("featurestore init my_shop", "cd my_dbt_project && featurestore init"))
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--no-macros", is_flag=True, help="Leave the dbt macros out of a project that is there already.")
@common_options
def command(common: Common, folder: str | None, no_macros: bool) -> None:
    """Make a new example project, or add the feature store to a dbt project.

    An empty or new DIR becomes a small online shop that `dbt build` builds as it is, on DuckDB, without network. A dbt
    project in DIR gets the macros, featurestore.yml and a line in .gitignore, where they are missing, and the logs of
    feature services as sources, where some that are logged were applied. No file is ever overwritten. DIR is the
    current folder if it is not given.
    """
    place = Path(folder or common.project_dir)
    done = scaffold(place, environ=os.environ, with_macros=not no_macros)
    if done.kind == "existing":
        done = replace(done, files=(*done.files, *_log_sources(replace(common, project_dir=str(place)))))
    if common.as_json:
        result_json(
            {
                "kind": done.kind,
                "project_dir": done.folder.as_posix(),
                "files": done.files,
                "next": _next_steps(done),
            }
        )
        return
    result(_headline(done))
    for line in _file_lines(done):
        result(line)
    if done.kind == "existing":
        say(f"\nA feature view is a dbt model with this in its YAML:\n\n{_indented(METADATA)}")
    say("\nNext:")
    for step in _next_steps(done):
        say(f"  {step}")


def _log_sources(common: Common) -> tuple[Written, ...]:
    """Write the sources of what is logged; nothing where nothing was applied yet, or cannot be asked."""
    from featurestore.scaffold.files import create_files
    from featurestore.scaffold.log_sources import LOG_SOURCES_FILE, log_sources

    try:
        text = log_sources(common.store().project)
    except FeatureStoreError:
        return ()
    return () if text is None else create_files(Path(common.project_dir), {LOG_SOURCES_FILE: text.encode()})


def _headline(done: Scaffolded) -> str:
    changed = len(done.paths("created")) + len(done.paths("extended"))
    place = "this folder" if done.folder == Path() else done.folder.as_posix()
    if done.kind == "example":
        return f"Made the example project in {place}: {counted(changed, 'file')}."
    if not changed:
        return f"Nothing to do: the dbt project in {place} has everything."
    return f"Added the feature store to the dbt project in {place}."


def _file_lines(done: Scaffolded) -> list[str]:
    """One line per file; many new files of one folder are one line."""
    folders: dict[str, list[Written]] = {}
    for written in done.files:
        folders.setdefault(f"{written.outcome} {_folder_of(written.path)}", []).append(written)
    rows: list[list[str]] = []
    for files in folders.values():
        if len(files) < _FOLDED_FROM or not _folder_of(files[0].path):
            rows += [[written.outcome, written.path, written.note] for written in files]
        else:
            rows.append([files[0].outcome, f"{_folder_of(files[0].path)}/", counted(len(files), "file")])
    return aligned(rows, indent="  ").split("\n") if rows else []


def _folder_of(path: str) -> str:
    """The folder that a line speaks of: of macros, macros/featurestore; of models, models."""
    folder, found, _ = path.partition("/featurestore/")
    return f"{folder}/featurestore" if found else path.rpartition("/")[0].partition("/")[0]


def _next_steps(done: Scaffolded) -> list[str]:
    enter = [] if done.folder == Path() else [f"cd {shlex.quote(done.folder.as_posix())}"]
    if done.kind == "example":
        return [*enter, *_EXAMPLE_STEPS]
    return [*enter, "dbt build", "featurestore plan", "featurestore apply"]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
