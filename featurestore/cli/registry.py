"""``featurestore registry``: its versions, one of them, or what is different between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.changes import change_lines, summary
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.texts import aligned, counted

if TYPE_CHECKING:
    from featurestore.registry.versions import VersionSummary


@click.group("registry", epilog=example("featurestore registry diff 3 4"))
def command() -> None:
    """Look at the versions of the registry."""


@command.command("versions", epilog=example("featurestore registry versions"))
@common_options
def versions(common: Common) -> None:
    """List all versions, oldest first."""
    found = common.store().workspace.registry().versions()
    if common.as_json:
        result_json(found)
        return
    if not found:
        say("The registry holds no version yet.")
        return
    result(aligned([["VERSION", "APPLIED (UTC)", "DEFINES", "HASH"], *map(_row, found)]))


@command.command("show", short_help="Show one version, or the newest.", epilog=example("featurestore registry show 3"))
@click.argument("number", type=int, required=False)
@common_options
def show(common: Common, number: int | None) -> None:
    """Show version NUMBER, or the newest; with --json the whole document."""
    store = common.store()
    registry = store.workspace.registry()
    document = store.document if number is None else registry.version(number)
    if common.as_json:
        result_json(document)
        return
    source, content = document.source, document.content
    lines = [
        ["registry", registry.files.location],
        ["applied", f"{document.applied_at:%Y-%m-%d %H:%M:%S} UTC by featurestore {document.written_by}"],
        ["content", f"sha256 {document.content_hash}"],
        ["dbt", f"{content.name}, target {source.target} ({source.adapter_type}), dbt {source.dbt_version}"],
        ["manifest", f"written {source.generated_at}, schema {source.schema_version}"],
        ["entities", ", ".join(entity.name for entity in content.entities)],
        ["views", ", ".join(view.reference for view in content.views)],
        ["services", ", ".join(service.name for service in content.services)],
    ]
    result(f"version {document.version}")
    result(aligned(lines, indent="  "))


@command.command(
    "diff", short_help="Show what changed between two versions.", epilog=example("featurestore registry diff 3 4")
)
@click.argument("before", type=int)
@click.argument("after", type=int, required=False)
@common_options
def diff(common: Common, before: int, after: int | None) -> None:
    """Show what changed from version BEFORE to AFTER, or to the newest."""
    from featurestore.registry.diff import diff as compare

    store = common.store()
    registry = store.workspace.registry()
    old, new = registry.version(before), store.document if after is None else registry.version(after)
    changes = compare(old.content, new.content)
    if common.as_json:
        result_json({"before": old.version, "after": new.version, **changes.to_dict()})
        return
    if changes.is_empty:
        result(f"Versions {old.version} and {new.version} define the same.")
        return
    for line in change_lines(changes):
        result(line)
    result(f"From version {old.version} to {new.version}: {summary(changes, is_done=True)}.")


def _row(version: VersionSummary) -> list[str]:
    if version.problem is not None:
        return [str(version.version), "-", version.problem, ""]
    nouns = (("view", version.views), ("entity", version.entities), ("service", version.services))
    defines = ", ".join(counted(count, noun) for noun, count in nouns)
    assert version.applied_at is not None
    return [str(version.version), f"{version.applied_at:%Y-%m-%d %H:%M:%S}", defines, version.content_hash[:12]]
