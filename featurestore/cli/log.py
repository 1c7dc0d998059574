"""``featurestore log``: what feature servers served, on its way to the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say, warn
from featurestore.errors import OperationError, UsageError, format_problem
from featurestore.texts import aligned, counted, moment, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.server.log.here import LogStatus
    from featurestore.server.log.load import Loaded


def _spool_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--spool",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where the servers write; .featurestore/feature_log by default.",
    )(command)


@click.group("log", epilog=example("featurestore log load"))
def command() -> None:
    """Load what feature servers served into the warehouse, or show what waits."""


@command.command(
    "load",
    short_help="Bring what was served to the warehouse.",
    epilog=example("featurestore log load", "featurestore log load --service churn_v1"),
)
@click.option("--service", metavar="NAME", help="Only this feature service's log.")
@_spool_option
@common_options
def load(common: Common, service: str | None, spool: Path | None) -> None:
    """Bring what was served to the table `<service>__log`, or to the files that the service names.

    A running server does this by itself every few seconds; this is for what a server left behind, and for a machine
    where none runs. What cannot be loaded now waits, and the exit code is 1.
    """
    from featurestore.server.log.here import around
    from featurestore.server.log.load import load_segments

    _check_spool(spool)
    store = common.store()
    if service is not None:
        store.project.service(service)
    workspace = store.workspace
    what = around(workspace.registry(), workspace.dbt.project_dir, lambda: workspace, spool=spool)
    found = load_segments(what, service=service)
    if common.as_json:
        result_json(found)
    else:
        for each in found:
            result(_line(each))
        if not found:
            say("Nothing waits. What was served a moment ago may still be on its way; featurestore log status tells.")
    waiting = [each for each in found if each.problem]
    if waiting:
        (first, *_) = waiting
        raise OperationError(f"{first.service}: {first.problem}", hint=first.hint or "try again")


@command.command("status", short_help="Show what waits to be loaded.", epilog=example("featurestore log status"))
@_spool_option
@common_options
def status(common: Common, spool: Path | None) -> None:
    """Show what was served and has not come to the warehouse yet, and what was dropped."""
    from featurestore.server.log.here import statuses, worker_counts
    from featurestore.server.log.spool import spool_of

    _check_spool(spool)
    store = common.store()
    place = spool or spool_of(store.workspace.dbt.project_dir)
    found = statuses(store.workspace, store.project, place)
    workers = worker_counts(place)
    dropped = sum(each.dropped for each in workers)
    if common.as_json:
        result_json({"services": found, "dropped": dropped, "workers": workers})
        return
    if not found:
        say("No feature service is logged: `logging: true` in its metadata.")
        return
    result(aligned([["SERVICE", "TO", "SEGMENTS", "FILES", "ROWS", "SIZE", "OLDEST (UTC)"], *map(_row, found)]))
    for each in found:
        if each.refused:
            files = counted(each.refused, "file")
            warn(f"{each.service}: {files} set aside, refused by {each.to}: featurestore log load says why")
    if dropped:
        warn(f"{counted(dropped, 'answer')} dropped: {workers[-1].error or 'they came faster than they were written'}")


@command.command(
    "sources",
    short_help="Print the logs as sources of the dbt project.",
    epilog=example("featurestore log sources --write models/feature_log.yml"),
)
@click.option("--write", "path", metavar="FILE.yml", help="Write it to this file, new or written by this command.")
@common_options
def sources(common: Common, path: str | None) -> None:
    """Print the YAML that makes the logs in the warehouse sources of the dbt project.

    A model then reads one as `source('feature_log', '<service>__log')`. Write it anew when a service has other
    features.
    """
    from featurestore.scaffold.log_sources import log_sources

    if path is not None and not path.endswith((".yml", ".yaml")):
        raise UsageError(f"expected a file ending in .yml, got {path}", where="--write")
    text = log_sources(common.store().project)
    if text is None:
        hint = "add `logging: true` to a feature service's metadata, and apply"
        raise UsageError("no feature service is logged to the warehouse", hint=hint)
    if path is not None:
        _write(Path(path), text)
    if common.as_json:
        result_json({"yaml": text, "path": path})
    else:
        result(text.rstrip("\n") if path is None else path)


def _check_spool(spool: Path | None) -> None:
    if spool is not None and not spool.is_dir():
        hint = "give the folder that `serve --spool` has; a server makes it when it starts"
        raise UsageError(f"there is no folder {spool}", where="--spool", hint=hint)


def _write(path: Path, text: str) -> None:
    from featurestore.scaffold.log_sources import MARK
    from featurestore.storage.places import write_whole

    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}", where="--write", hint="make it first, or check the path")
    if path.exists() and not (path.is_file() and path.read_bytes().startswith(MARK.encode())):
        raise UsageError(f"{path} is there already, and is another", where="--write", hint="give another name")
    write_whole(path, text.encode())


def _line(loaded: Loaded) -> str:
    parts = [f"{counted(loaded.rows, 'row')} loaded"]
    if loaded.waiting:
        parts.append(f"{counted(loaded.waiting, 'file')} waiting")
    if loaded.open_segments:
        parts.append(f"{counted(loaded.open_segments, 'segment')} still open: a worker closes it within 10 seconds")
    if loaded.unread_answers or loaded.unread_values:
        parts.append(f"{loaded.unread_answers:,} answers and {loaded.unread_values:,} values could not be read")
    if loaded.lost_bytes:
        parts.append(f"{loaded.lost_bytes:,} bytes of answers that a killed worker did not finish")
    said = f"{loaded.service}  {', '.join(parts)}"
    return said if not loaded.problem else f"{said}\n  {format_problem(loaded.problem, hint=loaded.hint or None)}"


def _row(each: LogStatus) -> list[str]:
    oldest = "-" if each.oldest is None else moment(each.oldest)
    segments = f"{each.segments} + {each.open_segments} open" if each.open_segments else str(each.segments)
    return [
        each.service,
        each.to,
        segments,
        str(each.waiting),
        f"{each.waiting_rows:,}",
        size(each.size_bytes),
        oldest,
    ]
