"""``featurestore materialize``: the newest row per key, from the warehouse to the online store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.failures import failure_json
from featurestore.cli.newer import warn_of_newer_files
from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json, say, warn
from featurestore.cli.progress import progress_line
from featurestore.errors import OperationError
from featurestore.texts import aligned, counted, moment, size

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.estimate import SyncEstimate
    from featurestore.materialize.run import SyncFailure
    from featurestore.materialize.sync import SyncResult
    from featurestore.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Prints each view as soon as it is done, and counts.

    Attributes:
        width: of the column of names.
        as_json: print nothing yet.
        failures: what did not finish so far.
    """

    width: int
    as_json: bool
    failures: list[SyncFailure] = field(default_factory=list)

    def done(self, outcome: SyncResult | SyncFailure) -> None:
        """Take in one view."""
        from featurestore.materialize.sync import SyncResult

        line = _line(outcome) if isinstance(outcome, SyncResult) else "ERROR"
        if not isinstance(outcome, SyncResult):
            self.failures.append(outcome)
            say(f"Error: {outcome.view}: {outcome.error}")
        if not self.as_json:
            result(f"{outcome.view.ljust(self.width)}  {line}")


def _option(*flags: str, name: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(*flags, name, expose_value=False, callback=keep(name), **settings)


@click.command(
    "materialize",
    epilog=example("featurestore materialize", "featurestore materialize customer_orders --full --dry-run"),
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@_option("--start", name="start", metavar="TIME", help="Only rows from this event time on; the watermark stays.")
@_option("--end", name="end", metavar="TIME", help="Only rows up to this event time, inclusive; never beyond now.")
@_option(
    "--full",
    name="full",
    is_flag=True,
    help="Read everything, not only what is new; keys that vanished are served no longer.",
)
@_option(
    "--rebuild",
    name="rebuild",
    is_flag=True,
    help="Read everything into a new set of rows; lookups turn to it when it is whole.",
)
@_option("--no-gate", name="no_gate", is_flag=True, help="Sync models too that failed in dbt's last run, or a test.")
@_option("--engine", name="engine", default="local", metavar="NAME", help="Who carries the rows: local or spark.")
@_option(
    "--workers",
    name="workers",
    type=click.IntRange(1, 64),
    default=1,
    metavar="N",
    help="Threads that write; one keeps a single Redis busy.",
)
@_option(
    "--wait",
    name="wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for another sync of the same view.",
)
@click.option("--dry-run", is_flag=True, help="Count the rows and the room they take; write nothing.")
@common_options
def command(common: Common, views: tuple[str, ...], dry_run: bool) -> None:
    """Copy the newest feature rows to the online store.

    VIEWs are feature views that are online; all of them when none is named. Older rows never overwrite newer ones, so
    a sync may be repeated, and interrupted, at any time. Models that failed in dbt's last run, or a test on them, are
    left out; what was served before stays. The registry's definitions count: a warning says when dbt's are newer.
    """
    store = common.store()
    silent = None if kept("no_gate") else store.workspace.silent_command()
    if silent is not None:
        warn(
            f"dbt's last command here was {silent}, which tests nothing, so it speaks against no model\n"
            "  -> sync right after dbt build, or by featurestore run -- build"
        )
    warn_of_newer_files(store)
    if dry_run:
        _estimate(common, store, views)
        return
    width = max(len(view.reference) for view in _chosen(store, views))
    report = Report(width=width, as_json=common.as_json)
    try:
        with progress_line() as line:
            outcomes = store.materialize(
                views or None,
                start=_moment("start"),
                end=_moment("end"),
                full=kept("full"),
                rebuild=kept("rebuild"),
                gate=not kept("no_gate"),
                engine=kept("engine"),
                workers=kept("workers"),
                wait_s=kept("wait"),
                on_rows=line.rows,
                on_done=line.aside(report.done),
            )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("every row that was written is whole; run it again to finish") from stop
    failed = len(report.failures)
    if common.as_json:
        result_json({"views": [outcome_json(outcome) for outcome in outcomes]})
    else:
        result(f"Done. OK={len(outcomes) - failed} ERROR={failed}")
    if failed:
        names = ", ".join(failure.view for failure in report.failures)
        raise OperationError(f"{failed} of {counted(len(outcomes), 'feature view')} not synced: {names}")


def _moment(name: str) -> datetime | None:
    from featurestore.definitions.moments import parse_moment

    return parse_moment(kept(name), where=f"--{name}")


def _chosen(store: FeatureStore, views: tuple[str, ...]) -> tuple[FeatureView, ...]:
    from featurestore.materialize.run import online_views

    return online_views(store.project, views or None)


def _estimate(common: Common, store: FeatureStore, views: tuple[str, ...]) -> None:
    from featurestore.materialize.run import GATE_HINT

    found = store.estimate_sync(
        views or None,
        start=_moment("start"),
        end=_moment("end"),
        full=kept("full"),
        rebuild=kept("rebuild"),
        gate=not kept("no_gate"),
    )
    if common.as_json:
        result_json({"views": found})
        return
    result(aligned([(each.view, each.mode, counted(each.rows, "row"), _room(each)) for each in found]))
    for each in found:
        if each.refused:
            warn(f"{each.view} would be left out: {each.refused}\n  -> {GATE_HINT}")
    result(f"Nothing was written. About {size(sum(each.store_bytes for each in found))} in all.")


def _room(estimate: SyncEstimate) -> str:
    return f"{size(estimate.store_bytes)} at {estimate.row_bytes} bytes a row" if estimate.rows else "nothing new"


def _line(done: SyncResult) -> str:
    rows = f"{done.rows_read:,} read  {done.rows_written:,} written  {done.rows_skipped:,} skipped"
    before = f"  {done.rows_before:,} kept of a killed sync" if done.rows_before else ""
    removed = f"  {done.rows_removed:,} removed" if done.rows_removed else ""
    reached = "nothing new" if done.watermark is None else f"-> {moment(done.watermark)}"
    return f"{done.mode}  {rows}{before}{removed}  {done.seconds:.2f}s  {reached}"


def outcome_json(outcome: SyncResult | SyncFailure) -> object:
    """Give what became of a view as plain data."""
    from featurestore.materialize.sync import SyncResult

    if isinstance(outcome, SyncResult):
        return outcome
    return {"view": outcome.view, "error": failure_json(outcome.error)}
