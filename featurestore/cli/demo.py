"""``featurestore demo``: the whole loop in a folder of its own, every command with its real output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import example
from featurestore.cli.output import result, result_json
from featurestore.dbt_command import find_dbt
from featurestore.errors import OperationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_FOLDER = "featurestore-demo"
MARKER = Path(".featurestore") / "demo"
_NOT_OURS = ("DBT_", "FEATURESTORE_", "SHOP_")
_DBT_SETTINGS = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false"}
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d  ", re.MULTILINE)
_MOMENTS = (
    "2026-06-10 11:59:59",
    "2026-06-10 12:00:00",
    "2026-06-20 12:00:00",
    "2026-07-02 12:00:00",
    "2026-08-01 12:00:00",
    "2026-08-01 12:00:01",
)
MOMENTS_FILE = "moments.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of the demo.

    Attributes:
        idea: what it shows, in one sentence.
        words: the command.
        shorten: what of its output is shown.
    """

    idea: str
    words: tuple[str, ...]
    shorten: Callable[[str], str] = str.rstrip


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ran."""

    command: str
    seconds: float
    output: str


def first_lines(count: int) -> Callable[[str], str]:
    """Return what cuts a text behind its first lines, and says how many are left out."""

    def cut(text: str) -> str:
        lines = text.rstrip().split("\n")
        left = len(lines) - count
        return "\n".join([*lines[:count], *([f"... {left} more lines"] if left > 0 else [])])

    return cut


def dbt_summary(text: str) -> str:
    """Keep of dbt's log what it built and how it ended."""
    lines = _CLOCK.sub("", text).rstrip().split("\n")
    return "\n".join(line for line in lines if line.startswith(("Finished running", "Done.")))


STEPS = (
    Step(idea="dbt builds the feature views, as it builds everything.", words=("dbt", "build"), shorten=dbt_summary),
    Step(
        idea="The metadata in the models' YAML becomes the registry's newest version.",
        words=("featurestore", "apply"),
    ),
    Step(
        idea="A training set is one SELECT in the warehouse.",
        words=("featurestore", "training-sql", "--spine", "order_labels", "--service", "repeat_purchase_v1"),
        shorten=first_lines(12),
    ),
    Step(
        idea="Point in time: moments.csv asks for customer 7, who ordered on 10 June, twice on 20 June and on 2 July,\n"
        "always at 12:00. A second before the first order nothing is known; an order counts from its very moment;\n"
        "thirty days after the last, the view's ttl, its value is still there, and a second later it is not.",
        words=(
            "featurestore",
            "training-set",
            "--features",
            "customer_orders:orders_30d,customer_orders:last_order_usd",
            "--spine",
            MOMENTS_FILE,
        ),
    ),
    Step(
        idea="The whole training set: one row per labelled order, features of six views.",
        words=(
            *("featurestore", "training-set", "--spine", "order_labels", "--service", "repeat_purchase_v1"),
            *("--output", "train.parquet"),
        ),
    ),
    Step(idea="The newest row per key goes to the online store.", words=("featurestore", "materialize")),
    Step(
        idea="What a service gets at prediction time. The shop's orders end in August 2026: a value that has outlived\n"
        "its view's ttl since is withheld, and the status says so.",
        words=(
            *("featurestore", "get-online", "--service", "repeat_purchase_v1"),
            *("--entity", "customer_id=7,product_id=105"),
        ),
    ),
)


@click.command("demo", epilog=example("featurestore demo my_demo"))
@click.argument("folder", metavar="[DIR]", default=DEFAULT_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(folder: str, as_json: bool) -> None:
    """Run the whole loop once, in a folder of its own.

    Makes the example shop in DIR (featurestore-demo if it is not given), builds it with dbt on DuckDB, makes a training
    set, syncs and looks up. Needs no network, and may be repeated. Every command is shown as you would type it.
    """
    place = Path(folder)
    find_dbt(os.environ)
    _refuse_other_projects(place)
    show = None if as_json else result
    done = [_run_init(place, show)]
    (place / MARKER).parent.mkdir(exist_ok=True)
    (place / MARKER).touch()
    (place / MOMENTS_FILE).write_text(_moments(), encoding="utf-8")
    if show is not None:
        show(f"$ cd {shlex.quote(folder)}\n")
    done += [_run(step, place, show) for step in STEPS]
    if as_json:
        result_json({"project_dir": place.as_posix(), "steps": done})
        return
    seconds = sum(each.seconds for each in done)
    result(f"That was all of it, in {seconds:.0f}s. The project is in {folder}: change a model, and run it again.")


def _moments() -> str:
    return "".join(["customer_id,event_timestamp\n", *(f"7,{moment}\n" for moment in _MOMENTS)])


def _refuse_other_projects(folder: Path) -> None:
    """The demo builds only in a folder that it made itself, or that is still to be made."""
    if (folder / "dbt_project.yml").exists() and not (folder / MARKER).exists():
        hint = "name a new folder: featurestore demo NEW_DIR"
        raise UsageError("the demo does not run in a dbt project that it did not make", where=str(folder), hint=hint)


def _run_init(folder: Path, show: Callable[[str], None] | None) -> Done:
    step = Step(
        idea="A dbt project with feature views in it; a real one gets the same command.",
        words=("featurestore", "init", str(folder)),
    )
    return _run(step, Path(), show)


def _run(step: Step, folder: Path, show: Callable[[str], None] | None) -> Done:
    written = shlex.join(step.words)
    if show is not None:
        show("".join(f"# {line}\n" for line in step.idea.split("\n")) + f"$ {written}")
    started = time.monotonic()
    ended = subprocess.run(  # noqa: S603  our own commands
        _program(step.words),
        cwd=folder,
        env=_environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if ended.returncode:
        what = f"`{written}` ended with exit code {ended.returncode}:\n{(ended.stdout + ended.stderr).rstrip()}"
        raise OperationError(what, where=folder.as_posix(), hint="featurestore doctor looks for the cause")
    output = step.shorten(ended.stdout)
    if show is not None:
        show(f"{output}\n")
    return Done(command=written, seconds=round(time.monotonic() - started, 3), output=output)


def _program(words: tuple[str, ...]) -> list[str]:
    if words[0] == "dbt":
        return [str(find_dbt(os.environ)), *words[1:]]
    return [sys.executable, "-m", "featurestore.cli", *words[1:]]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of other projects: the demo stays in its folder."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_NOT_OURS)}
    return {**kept, **_DBT_SETTINGS}
