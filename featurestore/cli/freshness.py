"""``featurestore freshness``: how old the newest features served are, and what waits to be synced."""

from __future__ import annotations

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.errors import CheckError
from featurestore.texts import counted

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
        header, *lines = found.table().lines()
        result(header)
        for each, line in zip(found, lines, strict=True):
            result(line.replace(each.state, click.style(each.state, fg=_COLORS[each.state]), 1))
    if bad:
        raise CheckError(f"{len(bad)} of {counted(len(found), 'feature view')} not fresh: {', '.join(bad)}")
