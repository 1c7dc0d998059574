"""``featurestore registry``: its versions, what is different between two, going back, tags, and removing old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.changes import change_lines, resync_lines, sql_lines, summary
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.texts import aligned, counted, one_line

if TYPE_CHECKING:
    from featurestore.registry.author import Author
    from featurestore.registry.document import Document
    from featurestore.registry.plan import Plan
    from featurestore.registry.versions import VersionSummary
    from featurestore.store import FeatureStore

_WIDE, _WIDEST = 40, 200


@click.group("registry", epilog=example("featurestore registry diff 3 4", "featurestore registry tag prod 4"))
def command() -> None:
    """Look at the versions of the registry, go back to one, and give them names."""


@command.command("versions", epilog=example("featurestore registry versions --last 10"))
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the N newest.")
@common_options
def versions(common: Common, last: int | None) -> None:
    """List all versions, oldest first: when, by whom, from which commit, and their tags."""
    registry = common.store().workspace.registry()
    found = registry.versions(last=last)
    if common.as_json:
        result_json(found)
        return
    if not found:
        say(f"The registry {registry.files.location} holds no version yet.")
        return
    header = ["VERSION", "APPLIED (UTC)", "BY", "COMMIT", "DEFINES", "TAGS", "HASH"]
    result(aligned([header, *map(_row, found)]))


@command.command(
    "show", short_help="Show one version, or the newest.", epilog=example("featurestore registry show @prod")
)
@click.argument("version", required=False)
@common_options
def show(common: Common, version: str | None) -> None:
    """Show one version, or the newest; with --json the whole document.

    VERSION is a number, or a tag as @prod.
    """
    store = common.store()
    document = _document(store, version)
    if common.as_json:
        result_json(document)
        return
    source, content = document.source, document.content
    lines = [
        ["registry", store.workspace.registry().files.location],
        ["applied", f"{document.applied_at:%Y-%m-%d %H:%M:%S} UTC by featurestore {document.written_by}"],
        *_author_lines(document.applied_by),
        ["content", f"sha256 {document.content_hash}"],
        ["dbt", f"{content.name}, target {source.target} ({source.adapter_type}), dbt {source.dbt_version}"],
        ["manifest", f"written {source.generated_at}, schema {source.schema_version}, run {source.invocation_id}"],
        ["entities", ", ".join(entity.name for entity in content.entities)],
        ["views", ", ".join(view.reference for view in content.views)],
        ["services", ", ".join(service.name for service in content.services)],
    ]
    if document.rolled_back_to is not None:
        lines.insert(1, ["rollback", f"to version {document.rolled_back_to}"])
    result(f"version {document.version}")
    result(aligned(lines, indent="  "))


@command.command(
    "diff", short_help="Show what changed between two versions.", epilog=example("featurestore registry diff @prod")
)
@click.argument("before")
@click.argument("after", required=False)
@common_options
def diff(common: Common, before: str, after: str | None) -> None:
    """Show what changed from version BEFORE to AFTER, or to the newest.

    Each is a number, or a tag as @prod.
    """
    store = common.store()
    old, new = _document(store, before), _document(store, after)
    changes = _compare(store, old, new)
    if common.as_json:
        result_json({"before": old.version, "after": new.version, **changes.to_dict()})
        return
    if changes.is_empty:
        result(f"Versions {old.version} and {new.version} define the same.")
        return
    _print(changes)
    result(f"From version {old.version} to {new.version}: {summary(changes, is_done=True)}.")


@command.command(
    "rollback",
    short_help="Make an older version the newest again.",
    epilog=example("featurestore registry rollback 41"),
)
@click.argument("version")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@common_options
def rollback(common: Common, version: str, dry_run: bool) -> None:
    """Make a new version with the definitions of VERSION, a number or a tag as @prod.

    Readers follow it as they follow any version; rows in the online store carry the layout that they were written
    with, so none is misread. The dbt project is not changed: the next apply brings its definitions back.
    """
    store = common.store()
    head, target = _document(store, None), _document(store, version)
    changes = _compare(store, head, target)
    made = None if dry_run else store.workspace.history().rollback(target.version, expected=head.version)
    if common.as_json:
        number = head.version if made is None else made.document.version
        is_made = made is not None and made.created
        result_json({"version": number, "created": is_made, "rolled_back_to": target.version, **changes.to_dict()})
        return
    if changes.is_empty:
        result(f"Nothing to change: version {head.version} defines what version {target.version} defines.")
        return
    _print(changes)
    if made is None:
        result(f"Back to version {target.version}: {summary(changes)}.")
        return
    result(f"Applied version {made.document.version}, which is version {target.version} again.")
    say("The dbt project still says what it said: put it back too, or the next apply brings its definitions again.")


@command.command("gc", epilog=example("featurestore registry gc --keep 50 --dry-run"))
@click.option("--keep", type=click.IntRange(min=1), required=True, metavar="N", help="How many of the newest stay.")
@click.option("--dry-run", is_flag=True, help="Only say which versions would go.")
@common_options
def gc(common: Common, keep: int, dry_run: bool) -> None:
    """Remove old versions, except the newest N, those that a tag means, and one that is pinned to here by its number.

    Training sets made with a removed version can no longer be made again from their card.
    """
    history = common.store().workspace.history()
    gone = history.removable(keep) if dry_run else history.collect(keep)
    if common.as_json:
        result_json({"removed": [] if dry_run else gone, "removable": gone if dry_run else []})
        return
    if not gone:
        pinned = "" if history.pin is None else f", or is pinned to as {history.pin}"
        result(f"Nothing to remove: every version is among the newest {keep}, or has a tag{pinned}.")
        return
    verb = "Would remove" if dry_run else "Removed"
    result(f"{verb} {counted(len(gone), 'version')}: {_ranges(gone)}.")


@command.command("tags", epilog=example("featurestore registry tags", "featurestore registry tags prod"))
@click.argument("name", required=False)
@common_options
def tags(common: Common, name: str | None) -> None:
    """List the tags and what they mean; with NAME, all moves of that tag, oldest first."""
    from featurestore.registry.tags import tag_history
    from featurestore.registry.tags import tags as tags_now

    files = common.store().workspace.registry().files
    found = tags_now(files) if name is None else tag_history(files, name)
    if common.as_json:
        result_json(found)
        return
    if not found:
        say(f"No version in the registry {files.location} has a tag yet.")
        return
    rows = [
        [
            f"@{it.tag}",
            "removed" if it.version is None else str(it.version),
            f"{it.moved_at:%Y-%m-%d %H:%M:%S}",
            *_who(it.moved_by),
        ]
        for it in found
    ]
    result(aligned([["TAG", "VERSION", "MOVED (UTC)", "BY", "COMMIT"], *rows]))


@command.command("tag", short_help="Let a tag mean a version.", epilog=example("featurestore registry tag prod 42"))
@click.argument("name")
@click.argument("version", required=False)
@common_options
def tag(common: Common, name: str, version: str | None) -> None:
    """Let the tag NAME mean VERSION, or the newest version.

    VERSION is a number, or another tag as @staging. Clients and servers that are pinned to the tag follow it.
    """
    store = common.store()
    number = _document(store, version).version
    moved = store.workspace.history().tag(name.removeprefix("@"), number)
    if common.as_json:
        result_json({"tag": name.removeprefix("@"), "version": number, "moved": moved is not None})
        return
    is_new = "means" if moved is not None else "meant already"
    result(f"@{name.removeprefix('@')} {is_new} version {number}.")


@command.command("untag", short_help="Remove a tag.", epilog=example("featurestore registry untag staging"))
@click.argument("name")
@common_options
def untag(common: Common, name: str) -> None:
    """Remove the tag NAME; no version is removed, and the tag's history stays."""
    common.store().workspace.history().tag(name.removeprefix("@"), None)
    if common.as_json:
        result_json({"tag": name.removeprefix("@"), "version": None, "moved": True})
        return
    result(f"@{name.removeprefix('@')} is removed.")


def _document(store: FeatureStore, version: str | None) -> Document:
    registry = store.workspace.registry()
    return store.workspace.newest() if version is None else registry.pinned(version)


def _compare(store: FeatureStore, old: Document, new: Document) -> Plan:
    from featurestore.impact.review import review

    registry = store.workspace.registry()
    return review(old.content, new.content, old=registry.graph(old), new=registry.graph(new))


def _print(changes: Plan) -> None:
    for lines in (change_lines(changes), sql_lines(changes), resync_lines(changes)):
        for line in lines:
            result(line)


def _author_lines(author: Author) -> list[list[str]]:
    commit = f"{author.git_commit}{' on ' + author.git_branch if author.git_branch else ''}"
    dirty = ", with changes that were in no commit" if author.is_dirty else ""
    lines = [["by", author.user], ["commit", commit + dirty if author.git_commit else ""], ["job", author.job]]
    return [[what, one_line(said, _WIDEST)] for what, said in lines if said]


def _who(author: Author) -> tuple[str, str]:
    """The columns BY and COMMIT. Whoever can write a document can put line feeds into it, and a line of a table."""
    return one_line(author.user, _WIDE) or "-", one_line(author.commit, _WIDE) or "-"


def _row(version: VersionSummary) -> list[str]:
    if version.problem is not None:
        return [str(version.version), "-", "", "", version.problem, "", ""]
    nouns = (("view", version.views), ("entity", version.entities), ("service", version.services))
    defines = ", ".join(counted(count, noun) for noun, count in nouns)
    back = "" if version.rolled_back_to is None else f", rollback to {version.rolled_back_to}"
    assert version.applied_at is not None
    return [
        str(version.version),
        f"{version.applied_at:%Y-%m-%d %H:%M:%S}",
        *_who(version.applied_by),
        defines + back,
        " ".join(f"@{tag}" for tag in version.tags),
        version.content_hash[:12],
    ]


def _ranges(numbers: tuple[int, ...]) -> str:
    """Write numbers short: ``1 to 40, 42``."""
    from featurestore.registry.versions import runs

    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs(numbers))
