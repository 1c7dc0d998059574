"""``featurestore apply``: the manifest's definitions become the newest registry version."""

from __future__ import annotations

import click

from featurestore.cli.changes import summary
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.cli.plan import plan_json, print_changes, print_header


@click.command("apply", epilog=example("dbt build && featurestore apply"))
@click.option(
    "--allow-breaking",
    multiple=True,
    metavar="NAME",
    help="A feature view or entity that may break although a feature service uses it; may be given several times.",
)
@common_options
def command(common: Common, allow_breaking: tuple[str, ...]) -> None:
    """Make the dbt project's definitions the newest registry version.

    Versions are never changed. When the manifest says what the newest version says, nothing is written. A breaking
    change of a view that a feature service uses is refused, unless a new dbt model version carries it, or
    --allow-breaking names the view.
    """
    store = common.store()
    planned = store.plan()
    common.warn(planned.warnings)
    applied = store.apply(planned, allow_breaking=allow_breaking)
    if common.as_json:
        made = {"version": applied.document.version, "created": applied.created}
        result_json({**plan_json(store, planned), **made, "content_hash": applied.document.content_hash})
        return
    if not applied.created:
        result(f"Nothing changed: version {applied.document.version}.")
        return
    print_header(store, planned)
    print_changes(planned)
    result(f"Applied version {applied.document.version}: {summary(planned.changes, is_done=True)}.")
