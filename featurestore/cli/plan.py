"""``featurestore plan``: the registry against the dbt manifest."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from featurestore.cli.changes import change_lines, summary
from featurestore.cli.failures import problems_json
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, warn
from featurestore.errors import UsageError
from featurestore.texts import age

if TYPE_CHECKING:
    from featurestore.registry.planned import Planned
    from featurestore.store import FeatureStore


@click.command("plan", epilog=example("dbt parse && featurestore plan"))
@common_options
def command(common: Common) -> None:
    """Show what apply would change in the registry.

    + added, ~ changed, - removed, ! changed so that an answer may change or a request fail; with the feature services
    that use it. Nothing is written.
    """
    store = common.store()
    planned = store.plan()
    common.warn(planned.warnings)
    if common.as_json:
        result_json(plan_json(store, planned))
        return
    print_header(store, planned)
    if planned.changes.is_empty:
        result(f"Nothing to change: version {planned.current} is what the manifest says.")
        return
    for line in change_lines(planned.changes):
        result(line)
    result(f"Plan: {summary(planned.changes)}.")


def plan_json(store: FeatureStore, planned: Planned) -> dict[str, object]:
    """Give a plan, and what it was made from, as plain data."""
    return {
        "registry": store.workspace.registry().files.location,
        "version": planned.current,
        "manifest": planned.source,
        **planned.changes.to_dict(),
        "warnings": problems_json(planned.warnings),
    }


def print_header(store: FeatureStore, planned: Planned) -> None:
    """Print which registry and which manifest are compared."""
    registry = store.workspace.registry()
    version = "empty" if planned.current is None else f"version {planned.current}"
    result(f"Registry {_shown(registry.files.location)}, {version}")
    result(f"Manifest of dbt project {planned.project.name}, target {planned.source.target}{_manifest_age(planned)}")
    if not planned.project.views:
        warn("no model is a feature view\n  -> give one `config.meta.feature_view` in its YAML")


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
