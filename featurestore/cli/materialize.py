"""``featurestore materialize``: the newest row per key, from the warehouse to the online store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import counted, moment, result, result_json, say
from featurestore.cli.progress import progress_line
from featurestore.errors import FeatureStoreError, OperationError

if TYPE_CHECKING:
    from featurestore.materialize.run import SyncFailure
    from featurestore.materialize.sync import SyncResult


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


@click.command("materialize", epilog=example("featurestore materialize customer_orders --full"))
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@click.option("--start", metavar="TIME", help="Only rows from this event time on; the watermark stays.")
@click.option("--end", metavar="TIME", help="Only rows up to this event time, inclusive; never beyond now.")
@click.option("--full", is_flag=True, help="Read everything, not only what is new since the last sync.")
@common_options
def command(common: Common, views: tuple[str, ...], start: str | None, end: str | None, full: bool) -> None:
    """Copy the newest feature rows to the online store.

    VIEWs are feature views that are online; all of them when none is named. Older rows never overwrite newer ones, so
    a sync may be repeated, and interrupted, at any time.
    """
    from featurestore.materialize.run import online_views

    store = common.store()
    chosen = online_views(store.project, views or None)
    report = Report(width=max(len(view.reference) for view in chosen), as_json=common.as_json)
    try:
        with progress_line() as line:
            outcomes = store.materialize(
                views or None, start=start, end=end, full=full, on_rows=line.rows, on_done=line.aside(report.done)
            )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("every row that was written is whole; run it again, and it goes on") from stop
    failed = len(report.failures)
    if common.as_json:
        result_json({"views": [outcome_json(outcome) for outcome in outcomes]})
    else:
        result(f"Done. OK={len(outcomes) - failed} ERROR={failed}")
    if failed:
        names = ", ".join(failure.view for failure in report.failures)
        raise OperationError(f"{failed} of {counted(len(outcomes), 'feature view')} not synced: {names}")


def _line(done: SyncResult) -> str:
    rows = f"{done.rows_read:,} read  {done.rows_written:,} written  {done.rows_skipped:,} skipped"
    reached = "nothing new" if done.watermark is None else f"-> {moment(done.watermark)}"
    return f"{done.mode}  {rows}  {done.seconds:.2f}s  {reached}"


def outcome_json(outcome: SyncResult | SyncFailure) -> object:
    """Give what became of a view as plain data."""
    from featurestore.materialize.sync import SyncResult

    if isinstance(outcome, SyncResult):
        return outcome
    error: FeatureStoreError = outcome.error
    return {"view": outcome.view, "error": {"type": type(error).__name__, "message": str(error)}}
