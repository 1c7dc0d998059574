"""``featurestore plan``: the registry against the dbt manifest."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from featurestore.cli.changes import change_lines, resync_lines, sql_lines, summary
from featurestore.cli.failures import problems_json
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, warn
from featurestore.errors import CheckError, UsageError
from featurestore.texts import age

if TYPE_CHECKING:
    from featurestore.registry.planned import Planned
    from featurestore.store import FeatureStore


@click.command("plan", epilog=example("dbt compile && featurestore plan", "featurestore plan --markdown > comment.md"))
@click.option("--markdown", is_flag=True, help="Print it as a comment for a pull request.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 3 if there is something to change.")
@common_options
def command(common: Common, markdown: bool, detailed_exitcode: bool) -> None:
    """Show what apply would change in the registry.

    + added, ~ changed, * changed so that features have other values, ! changed so that an answer means something else
    or a request fails, - removed; with the feature services, exposures and training sets that are hit, what must be
    synced again, and how the SQL changed. Nothing is written.
    """
    if markdown and common.as_json:
        raise UsageError("--markdown and --json exclude each other", hint="give one of them")
    store = common.store()
    planned = store.plan()
    common.warn(planned.warnings)
    if common.as_json:
        result_json(plan_json(store, planned))
    elif markdown:
        from featurestore.cli.plan_markdown import plan_markdown

        result(plan_markdown(planned))
    else:
        _print(store, planned)
    if detailed_exitcode and not planned.changes.is_empty:
        raise click.exceptions.Exit(CheckError.exit_code)


def _print(store: FeatureStore, planned: Planned) -> None:
    print_header(store, planned)
    if planned.changes.is_empty:
        result(f"Nothing to change: version {planned.current} is what the manifest says.")
        return
    print_changes(planned)
    result(f"Plan: {summary(planned.changes)}.")
    refused = refused_names(planned)
    if refused:
        flags = " ".join(f"--allow-breaking {name}" for name in refused)
        result(f"apply will refuse it: make new dbt model versions, or run featurestore apply {flags}")


def print_changes(planned: Planned) -> None:
    """Print the changes, the SQL that changed, and what must be synced again."""
    for lines in (change_lines(planned.changes), sql_lines(planned.changes), resync_lines(planned.changes)):
        for line in lines:
            result(line)


def plan_json(store: FeatureStore, planned: Planned) -> dict[str, object]:
    """Give a plan, and what it was made from, as plain data."""
    return {
        "registry": store.workspace.registry().files.location,
        "version": planned.current,
        "manifest": planned.source,
        **planned.changes.to_dict(),
        "refused": refused_names(planned),
        "warnings": problems_json(planned.warnings),
    }


def refused_names(planned: Planned) -> list[str]:
    """Name the views and entities whose changes an apply refuses as long as nobody allows them."""
    from featurestore.impact.guard import refused

    found = refused(planned.changes, planned.project, allowed=())
    return list(dict.fromkeys(change.name.partition(":")[0] for change in found))


def print_header(store: FeatureStore, planned: Planned) -> None:
    """Print which registry and which manifest are compared."""
    registry = store.workspace.registry()
    version = "empty" if planned.current is None else f"version {planned.current}"
    result(f"Registry {_shown(registry.files.location)}, {version}")
    result(f"Manifest of dbt project {planned.project.name}, target {planned.source.target}{_manifest_age(planned)}")
    if not planned.project.views:
        warn("no model is a feature view\n  -> give one `config.meta.feature_view` in its YAML")
    uncompiled = not_compiled(planned)
    if uncompiled:
        warn(uncompiled)


def not_compiled(planned: Planned) -> str:
    """Say of which models dbt has to compile the SQL, so that it can be told which features change; empty for none."""
    names = sorted({name for change in planned.changes.changes for name in change.uncompiled})
    what = f"not compiled, so all features count as changed: {', '.join(names)}"
    return f"{what}\n  -> run dbt compile to see which features change" if names else ""


def _shown(location: str) -> str:
    """Write a path of this machine as seen from the current folder; anything else as it is."""
    from pathlib import Path

    from featurestore.manifest.paths import shown_path

    return shown_path(Path(location)) if Path(location).is_absolute() else location


def _manifest_age(planned: Planned) -> str:
    from featurestore.definitions.moments import parse_moment

    try:
        written_at = parse_moment(planned.source.generated_at or None)
    except UsageError:  # as some other tool wrote it: no reason to refuse the manifest
        return ""
    if written_at is None:
        return ""
    return f", {age((datetime.now(timezone.utc) - written_at).total_seconds())} old"
