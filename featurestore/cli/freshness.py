"""``featurestore freshness``: how old the newest features served are, and what waits to be synced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.errors import CheckError, format_problem
from featurestore.texts import age, aligned, counted, moment

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.operations.freshness import ViewFreshness

_HEADER = ("VIEW", "STATE", "ONLINE", "AGE", "LIMIT", "OFFLINE", "WAITING", "LAST SYNC")
_COLORS = {"fresh": "green", "behind": "yellow", "stale": "red", "never synced": "red"}


@click.command(
    "freshness", epilog=example("featurestore freshness", "featurestore freshness customer_orders --max-age 2h")
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@click.option("--max-age", metavar="DURATION", help="From this age on a view is stale, e.g. 2h; else from its ttl on.")
@click.option("--online-only", is_flag=True, help="Ask the online store alone, not the warehouse.")
@common_options
def command(common: Common, views: tuple[str, ...], max_age: str | None, online_only: bool) -> None:
    """Show how old the newest features served are.

    VIEWs are feature views that are online; all of them when none is named. The age is that of the newest event that
    was synced. A view is `stale` when that is above the limit, else `behind` when rows wait for a sync, else `fresh`.
    Exits with 3 when one is stale or was never synced.
    """
    found = common.store().freshness(views or None, max_age=max_age, online_only=online_only)
    bad = [each.view for each in found if each.is_bad]
    if common.as_json:
        result_json({"fresh": not bad, "views": [each.to_dict() for each in found]})
    else:
        lines = aligned([_HEADER, *map(_row, found)]).splitlines()
        result(lines[0])
        for each, line in zip(found, lines[1:], strict=True):
            result(line.replace(each.state, click.style(each.state, fg=_COLORS[each.state]), 1))
            if each.problem is not None:
                said = format_problem(each.problem, hint=each.hint)
                result("\n".join(f"  {part}" for part in said.splitlines()))
    if bad:
        raise CheckError(f"{len(bad)} of {counted(len(found), 'feature view')} not fresh: {', '.join(bad)}")


def _row(each: ViewFreshness) -> tuple[str, ...]:
    return (
        each.view,
        each.state,
        _moment(each.online),
        "-" if each.age_s is None else age(each.age_s),
        "-" if each.limit_s is None else age(each.limit_s),
        _moment(each.offline),
        "-" if each.waiting is None else f"{each.waiting:,}",
        _moment(each.synced_at),
    )


def _moment(value: datetime | None) -> str:
    return "-" if value is None else moment(value.replace(microsecond=0))
