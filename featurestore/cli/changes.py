"""A plan as lines: ``+`` added, ``~`` changed, ``*`` other values, ``!`` something breaks, ``-`` removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from featurestore.texts import aligned, counted, one_line

if TYPE_CHECKING:
    from featurestore.registry.plan import Change, Plan, Resync

_COLORS = {"+": "green", "~": "yellow", "*": "magenta", "!": "red", "-": "red"}
_SQL = ("sql", "upstream")
_OPAQUE = ("stream_sql",)
_LETTERS = 40
_REFERENCE_LETTERS = 160  # to its end, where the feature is
_DIFF_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def change_lines(plan: Plan) -> list[str]:
    """Write one aligned, coloured line per change; none for an empty plan."""
    if plan.is_empty:
        return []
    rows = [
        [_mark(change), change.what, change.name, what_changed(change), _meaning(change)] for change in plan.changes
    ]
    lines = aligned(rows, indent="  ").split("\n")
    return [click.style(line, fg=_COLORS[row[0]]) for line, row in zip(lines, rows, strict=True)]


def resync_lines(plan: Plan) -> list[str]:
    """Write what must be synced again, and by which command; none if nothing must."""
    if not plan.resync:
        return []
    rows = [[it.view, ", ".join(it.reasons), resync_command(it)] for it in plan.resync]
    return ["Sync again after dbt has built the models:", *aligned(rows, indent="  ").split("\n")]


def resync_command(resync: Resync) -> str:
    """The command that syncs a view again."""
    return f"featurestore materialize {resync.view}{' --full' if resync.is_full else ''}"


def sql_lines(plan: Plan) -> list[str]:
    """Write how the SQL of each changed model reads now."""
    lines: list[str] = []
    for each in plan.sql:
        if each.diff:
            lines.append(click.style(f"{each.name} ({each.path}), in {', '.join(each.views)}", bold=True))
            lines += [click.style(f"  {line}", fg=_DIFF_COLORS.get(line[:1])) for line in map(_printable, each.diff)]
    return lines


def summary(plan: Plan, *, is_done: bool = False) -> str:
    """Count the changes: ``1 to add, 2 to change (1 breaking), 0 to remove``; ``1 added, ...`` when it is done."""
    counts = plan.counts
    changed = [change.impact for change in plan.changes if change.kind == "changed"]
    notes = [f"{changed.count(word)} {word}" for word in ("breaking", "value-changing") if word in changed]
    note = f" ({', '.join(notes)})" if notes else ""
    add, alter, remove = ("added", "changed", "removed") if is_done else ("to add", "to change", "to remove")
    return f"{counts['added']} {add}, {counts['changed']} {alter}{note}, {counts['removed']} {remove}"


def _mark(change: Change) -> str:
    if change.kind == "changed":
        return {"breaking": "!", "value-changing": "*"}.get(change.impact, "~")
    return "+" if change.kind == "added" else "-"


def what_changed(change: Change) -> str:
    """Say in a few words what is different."""
    if change.field is None:
        return _contents(change)
    if change.field in _SQL:
        return _sql(change)
    if change.field in _OPAQUE:
        return f"{change.field} changed"
    if change.before is None or change.after is None:
        mark, value = ("+", change.after) if change.before is None else ("-", change.before)
        return f"{change.field} {mark} {_value(value, _REFERENCE_LETTERS if change.what == 'service' else _LETTERS)}"
    return f"{change.field} {_value(change.before)} -> {_value(change.after)}"


def _sql(change: Change) -> str:
    """Say through what a view's values change, and which."""
    if change.field == "upstream" and not change.before:
        return "what it is made of is kept from now on"
    through = f" through {one_line(', '.join(change.through), 60)}" if change.through else ""
    own = "sql" if change.field == "sql" else "macros or models above it"
    head = f"{own} changed{through}" if change.field == "sql" or not through else f"changed{through}"
    unbuilt = f"; columns {one_line(', '.join(change.unbuilt), 80)}, not built yet" if change.unbuilt else ""
    if not change.features:
        return f"{head}: no other values{unbuilt}"
    return f"{head}: {one_line(', '.join(change.features), 80)}{unbuilt}"


def _contents(change: Change) -> str:
    """What an added or removed thing consists of."""
    value = change.after if change.kind == "added" else change.before
    if isinstance(value, list) and change.what in {"view", "service"}:
        return one_line(f"{counted(len(value), 'feature')}: {', '.join(map(str, value))}", 70)
    return "" if change.what == "project" else _value(value)


def _value(value: object, letters: int = _LETTERS) -> str:
    if isinstance(value, str):
        return one_line(value, letters) or '""'
    if isinstance(value, list):
        return one_line(", ".join(map(str, value)), 60) or "nothing"
    return json.dumps(value)


def _meaning(change: Change) -> str:
    """Say what the change means and whom it meets; an addition that breaks nothing needs no word."""
    impact = change.impact if change.kind != "added" or change.impact == "breaking" else ""
    words = ", ".join(word for word in (impact, *hits(change)) if word)
    return f"({words})" if words else ""


def hits(change: Change) -> list[str]:
    """Say whom a change meets: feature services, other exposures, training sets."""
    if change.impact == "cosmetic":
        return []
    found = [f"used by {', '.join(change.services)}"] if change.services and change.what != "service" else []
    for noun, names in (("exposure", change.exposures), ("training set", change.training_sets)):
        if names:
            found.append(f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}")
    return found


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)
