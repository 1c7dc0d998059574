"""``featurestore online``: what the online store holds, and how to remove some of it."""

from __future__ import annotations

import sys

import click

from featurestore.cli.entity import parse_entity
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say, warn
from featurestore.errors import OperationError, UsageError
from featurestore.texts import aligned, counted, size

_WAIT = "Wait so long for a sync that is under way."


@click.group("online", epilog=example("featurestore online stats"))
def command() -> None:
    """Look at the rows of the online store, or remove some."""


@command.command(
    "stats", short_help="Count keys and bytes, and say who is syncing.", epilog=example("featurestore online stats")
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@common_options
def stats(common: Common, views: tuple[str, ...]) -> None:
    """Count the keys and bytes of each view, and say who is syncing it.

    Keys are counted, by a walk over all of them; bytes and tombstones (entities that vanished from the model) are those
    of a sample of 1,000 keys per set of rows. Rows of views that are no longer defined are marked as orphans. Below a
    view that is being synced stands by whom, and until when that lease lasts if it is not prolonged.
    """
    found = common.store().online_contents(views or None)
    if common.as_json:
        result_json({"views": [each.to_dict() for each in found]})
        return
    result("\n".join(found.table().lines()))
    total = sum(each.keys for each in found)
    result(f"{counted(total, 'key')}, about {size(sum(each.size_bytes for each in found))} in all.")
    if not all(each.is_syncing_known for each in found):
        say("Whether a sync is under way is not told to this user of the store.")
    orphans = [each.view for each in found if each.is_orphan]
    if orphans:
        names = ", ".join(orphans)
        say(f"Not in the registry as online views: {names}\n  -> remove one: featurestore online drop VIEW")


@command.command(
    "delete-entity",
    short_help="Remove all rows of one entity.",
    epilog=example("featurestore online delete-entity --entity customer_id=1 --dry-run"),
)
@click.option("--entity", required=True, metavar="KEY=VALUE,...", help="The entity, all its join keys.")
@click.option("--dry-run", is_flag=True, help="Count the rows; remove none.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help=_WAIT)
@common_options
def delete_entity(common: Common, entity: str, dry_run: bool, yes: bool, wait: float) -> None:
    """Remove all rows of one entity, in all views and versions that have exactly these join keys.

    For a request to be forgotten: delete the entity from the warehouse first, since a sync brings back what the
    warehouse still has. Views with these and further join keys are named, not touched.
    """
    keys = parse_entity(entity)
    store = common.store()
    if not dry_run:
        planned = store.delete_online_entity(keys, dry_run=True)
        views = counted(len(planned.views), "feature view")
        _confirm(f"Remove {counted(planned.rows, 'row')} of {entity} from {views}?", yes=yes)
    removed = store.delete_online_entity(keys, dry_run=dry_run, wait_s=wait)
    if common.as_json:
        result_json({"dry_run": dry_run, "rows": removed.rows, "views": removed.views, "others": removed.others})
    else:
        rows = [(each.view, counted(each.rows, "row"), "orphan" if each.is_orphan else "") for each in removed.views]
        result(aligned(rows))
        done = "Nothing was removed; it would be" if dry_run else "Removed"
        result(f"{done} {counted(removed.rows, 'row')}.")
    if removed.others:
        warn(
            f"rows of this entity may be left in views with further join keys: {', '.join(removed.others)}\n"
            "  -> name all their keys; or, once the warehouse has no such rows, run featurestore materialize --rebuild"
        )


@command.command(
    "drop", short_help="Remove all rows of one view.", epilog=example("featurestore online drop customer_orders")
)
@click.argument("view")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help=_WAIT)
@common_options
def drop(common: Common, view: str, yes: bool, wait: float) -> None:
    """Remove all rows of VIEW from the online store, and what the store notes about it.

    VIEW may be one that is no longer defined; a name without a version means the only version. Until its next sync,
    which is a full one, a lookup of it is an error that says so.
    """
    store = common.store()
    (found,) = store.online_contents([view])
    _confirm(f"Remove {counted(found.keys, 'row')} of {found.view} from the online store?", yes=yes)
    removed = store.drop_online_view(found.view, wait_s=wait)
    if common.as_json:
        result_json(removed)
    else:
        result(f"{removed.view}  {counted(removed.rows, 'row')} removed")


def _confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere `--yes` has to be given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here", hint="add --yes")
    if not click.confirm(question, err=True):
        raise OperationError("nothing was removed: not confirmed")
