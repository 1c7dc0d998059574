"""``featurestore push``: new rows of a view into the stores, at once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say, warn
from featurestore.errors import UsageError
from featurestore.texts import counted

if TYPE_CHECKING:
    from featurestore.definitions.pushed import Pushed, PushTo
    from featurestore.streams.push_files import FileKind

_TO = ("online", "offline", "online_and_offline")
_KINDS = ("jsonl", "csv", "tsv", "parquet")
_STDIN = ("-", "<stdin>")


@click.command(
    "push",
    short_help="Write new rows of VIEW at once, without a sync.",
    epilog=example(
        "featurestore push customer_tier tiers.csv",
        "featurestore push customer_tier - --to online_and_offline < tiers.jsonl",
    ),
)
@click.argument("view", metavar="VIEW")
@click.argument("file", type=click.File("rb"), metavar="FILE")
@click.option("--to", type=click.Choice(_TO), default="online", show_default=True, help="Which stores.")
@click.option(
    "--format", "kind", type=click.Choice(_KINDS), help="How FILE is written; by its ending, JSON lines from stdin."
)
@common_options
def command(common: Common, view: str, file: IO[bytes], to: PushTo, kind: FileKind | None) -> None:
    """Write new rows of VIEW into the online store, the warehouse, or both.

    FILE is JSON lines, CSV, TSV or Parquet; `-` is standard input. Every row has all columns: join keys, the event
    time (also called `event_timestamp`), every feature; a created time that is missing is now. A row never overwrites
    a newer one, and a push that is repeated changes nothing. Offline, rows go to the table `<view>__pushed`, which the
    macro `with_pushed` reads in the model.
    """
    from featurestore.streams.push import Pusher
    from featurestore.streams.push_files import read_parts

    store = common.store()
    found = store.project.named_view(view)
    name = _name_of(file)
    kind = kind or _kind_of(name)
    offline = store.workspace.pushed_rows(found)
    total: Pushed | None = None
    with closing(store.workspace.open_online_store()) as online, closing(offline):
        pusher = Pusher(store.workspace.dbt.name, online, lambda _: offline)
        for rows in read_parts(found, file, kind, name=name):
            total = _added(total, pusher.push(found, rows, to))
        if total is None:
            say("There are no rows in it; nothing was pushed.")
            return
        if to != "online":
            total = replace(total, waiting=offline.settle().problem)
    if common.as_json:
        result_json(total)
    else:
        result(_said(total, to))
    if total.waiting:
        warn(
            f"the rows are safe in {store.workspace.stream_places().pushed(found.reference)}, and wait: {total.waiting}"
        )


def _name_of(file: IO[bytes]) -> str:
    """Its name; standard input that somebody has replaced has none."""
    try:
        return str(file.name)
    except AttributeError:
        return "-"


def _kind_of(file: str) -> FileKind:
    from featurestore.streams.push_files import ENDINGS

    if file in _STDIN:
        return "jsonl"
    kind = ENDINGS.get(Path(file).suffix.lower())
    if kind is None:
        hint = f"say it: --format {'|'.join(_KINDS)}"
        raise UsageError(f"cannot tell how it is written by its name, {file}", where="FILE", hint=hint)
    return kind


def _added(before: Pushed | None, more: Pushed) -> Pushed:
    if before is None:
        return more
    return replace(
        before,
        rows=before.rows + more.rows,
        written=before.written + more.written,
        skipped=before.skipped + more.skipped,
        kept=before.kept + more.kept,
    )


def _said(pushed: Pushed, to: PushTo) -> str:
    parts = [pushed.view, counted(pushed.rows, "row")]
    if to != "offline":
        older = pushed.rows - pushed.written - pushed.skipped
        parts.append(f"{pushed.written:,} written online" + (f", {older:,} older than what is there" if older else ""))
    if to != "online":
        parts.append(f"{pushed.kept:,} kept offline")
    if pushed.skipped:
        parts.append(f"{pushed.skipped:,} skipped: no key or no event time")
    return "  ".join(parts)
