"""``featurestore apply``: the manifest's definitions become the newest registry version."""

from __future__ import annotations

import click

from featurestore.cli.changes import change_lines, summary
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.cli.plan import plan_json, print_header


@click.command("apply", epilog=example("dbt build && featurestore apply"))
@common_options
def command(common: Common) -> None:
    """Make the dbt project's definitions the newest registry version.

    Versions are never changed or deleted. When the manifest says what the newest version says, nothing is written.
    """
    store = common.store()
    planned = store.plan()
    common.warn(planned.warnings)
    applied = store.apply(planned)
    if common.as_json:
        made = {"version": applied.document.version, "created": applied.created}
        result_json({**plan_json(store, planned), **made, "content_hash": applied.document.content_hash})
        return
    if not applied.created:
        result(f"Nothing changed: version {applied.document.version}.")
        return
    print_header(store, planned)
    for line in change_lines(planned.changes):
        result(line)
    result(f"Applied version {applied.document.version}: {summary(planned.changes, is_done=True)}.")
