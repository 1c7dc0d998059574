"""A plan as lines: ``+`` added, ``~`` changed, ``!`` changed so that something breaks, ``-`` removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from featurestore.texts import aligned, counted, one_line

if TYPE_CHECKING:
    from featurestore.registry.plan import Change, Plan

_COLORS = {"+": "green", "~": "yellow", "!": "red", "-": "red"}
_OPAQUE = ("sql",)


def change_lines(plan: Plan) -> list[str]:
    """Write one aligned, coloured line per change; none for an empty plan."""
    if plan.is_empty:
        return []
    rows = [
        [_mark(change), change.what, change.name, _what_changed(change), _meaning(change)] for change in plan.changes
    ]
    lines = aligned(rows, indent="  ").split("\n")
    return [click.style(line, fg=_COLORS[row[0]]) for line, row in zip(lines, rows, strict=True)]


def summary(plan: Plan, *, is_done: bool = False) -> str:
    """Count the changes: ``1 to add, 2 to change (1 breaking), 0 to remove``; ``1 added, ...`` when it is done."""
    counts = plan.counts
    breaking = sum(change.kind == "changed" for change in plan.breaking)
    note = f" ({breaking} breaking)" if breaking else ""
    add, alter, remove = ("added", "changed", "removed") if is_done else ("to add", "to change", "to remove")
    return f"{counts['added']} {add}, {counts['changed']} {alter}{note}, {counts['removed']} {remove}"


def _mark(change: Change) -> str:
    if change.kind == "changed":
        return "!" if change.impact == "breaking" else "~"
    return "+" if change.kind == "added" else "-"


def _what_changed(change: Change) -> str:
    if change.field is None:
        return _contents(change)
    if change.field in _OPAQUE:
        return f"{change.field} changed"
    if change.before is None:
        return f"{change.field} + {_value(change.after)}"
    if change.after is None:
        return f"{change.field} - {_value(change.before)}"
    return f"{change.field} {_value(change.before)} -> {_value(change.after)}"


def _contents(change: Change) -> str:
    """What an added or removed thing consists of."""
    value = change.after if change.kind == "added" else change.before
    if isinstance(value, list) and change.what in {"view", "service"}:
        return one_line(f"{counted(len(value), 'feature')}: {', '.join(map(str, value))}", 70)
    return "" if change.what == "project" else _value(value)


def _value(value: object) -> str:
    if isinstance(value, str):
        return one_line(value, 40) or '""'
    if isinstance(value, list):
        return one_line(", ".join(map(str, value)), 60) or "nothing"
    return json.dumps(value)


def _meaning(change: Change) -> str:
    """Say what the change means and whom it meets; an addition that breaks nothing needs no word."""
    users = f"used by {', '.join(change.services)}" if change.services and change.what != "service" else ""
    impact = change.impact if change.kind != "added" or change.impact == "breaking" else ""
    words = ", ".join(word for word in (impact, users if impact != "cosmetic" else "") if word)
    return f"({words})" if words else ""
