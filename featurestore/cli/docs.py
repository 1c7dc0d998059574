"""``featurestore docs``: the catalog as one HTML file that opens from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result_json, say
from featurestore.cli.written import force_option, write_once
from featurestore.errors import RegistryCorruptError, UnknownNameError
from featurestore.texts import size

if TYPE_CHECKING:
    from featurestore.catalog.docs.data import ChangeLine, HistoryLine
    from featurestore.registry.document import Document
    from featurestore.registry.versions import Registry, VersionSummary


@click.command("docs", epilog=example("featurestore docs --output public/features.html"))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; else featurestore.html in dbt's target folder.",
)
@click.option(
    "--changes",
    type=click.IntRange(min=0),
    default=30,
    show_default=True,
    metavar="N",
    help="Of how many of the newest versions it says what changed.",
)
@force_option
@common_options
def command(common: Common, output: Path | None, changes: int, force: bool) -> None:
    """Write the catalog as one HTML file.

    It has the views with their features, entities, services and streams, lineage, and the versions of the registry with
    what changed, and can be searched. It asks no server for anything: put it where your team looks.
    """
    from featurestore.catalog.docs import docs_page
    from featurestore.catalog.docs.data import Catalog
    from featurestore.manifest.macros import training_set_name

    workspace = common.store().workspace
    document = workspace.latest()
    catalog = Catalog(
        project=document.content,
        graph=workspace.graph(document),
        version=document.version,
        history=history(workspace.registry(), with_changes=changes),
        macro=training_set_name(workspace.usable_manifest()),
    )
    page = docs_page(catalog)
    path = workspace.dbt.target_dir / "featurestore.html" if output is None else output
    write_once(path, page, force=force)
    if common.as_json:
        result_json({"path": str(path), "size_bytes": len(page.encode())})
    else:
        say(f"It has {size(len(page.encode()))}.")


def history(registry: Registry, *, with_changes: int) -> tuple[HistoryLine, ...]:
    """Tell the versions of a registry, newest first; of so many also what changed since the one before."""
    from featurestore.catalog.docs.data import HistoryLine

    found = registry.versions()
    lines: list[HistoryLine] = []
    older: Document | None = None
    for position, summary in enumerate(found):
        is_told = len(found) - position <= with_changes
        is_next = len(found) - position - 1 <= with_changes
        document = _document(registry, summary) if is_next else None
        at = summary.applied_at
        lines.append(
            HistoryLine(
                version=summary.version,
                applied_at="" if at is None else f"{at:%Y-%m-%d %H:%M:%S}",
                by=summary.applied_by.user,
                commit=summary.applied_by.commit,
                tags=summary.tags,
                note=_note(summary),
                changes=_changes(registry, older, document, is_first=position == 0) if is_told else None,
            )
        )
        older = document
    return tuple(reversed(lines))


def _note(summary: VersionSummary) -> str:
    if summary.problem is not None:
        return summary.problem
    return "" if summary.rolled_back_to is None else f"rollback to {summary.rolled_back_to}"


def _document(registry: Registry, summary: VersionSummary) -> Document | None:
    """Read a version; None for one that cannot be read, or was removed meanwhile."""
    if summary.problem is not None:
        return None
    try:
        return registry.version(summary.version)
    except (RegistryCorruptError, UnknownNameError):
        return None


def _changes(
    registry: Registry, older: Document | None, newer: Document | None, *, is_first: bool
) -> tuple[ChangeLine, ...] | None:
    """What changed from one version to the next; None where that cannot be told."""
    from featurestore.catalog.docs.data import ChangeLine
    from featurestore.cli.changes import hits, what_changed
    from featurestore.impact.review import review

    if newer is None or (older is None and not is_first):
        return None
    old = None if older is None else registry.graph(older)
    plan = review(None if older is None else older.content, newer.content, old=old, new=registry.graph(newer))
    return tuple(
        ChangeLine(
            kind=change.kind,
            impact=change.impact,
            text=", ".join((f"{change.what} {change.name}: {what_changed(change)}".rstrip(": "), *hits(change))),
        )
        for change in plan.changes
    )
