"""A plan as a comment for a pull request: the worst first, what nobody needs to look at folded away.

A comment may have 65,536 letters: of more, the last rows and the SQL are left out, and their number is said.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from featurestore.cli.changes import hits, resync_command, summary, what_changed
from featurestore.cli.plan import not_compiled, refused_names
from featurestore.texts import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from featurestore.registry.plan import Change, Resync, SqlDiff
    from featurestore.registry.planned import Planned

_TITLES = {
    "breaking": "Breaking",
    "value-changing": "Other values",
    "compatible": "Compatible",
    "cosmetic": "Cosmetic",
}
_FOLDED = ("compatible", "cosmetic")
_LETTERS = 60_000  # and some for titles
_DIFF_LETTERS = 40_000
_FRAME_LETTERS = 100
_CELL_LETTERS = 400
_NAMES = 10
_WARNINGS = 20
_MARKS = re.compile(r"[\\`*\[\]~|]")
_CALLS = re.compile(r"(?<!\w)([@#])(?=\w)")


def plan_markdown(planned: Planned) -> str:
    """Write a plan in GitHub's Markdown, which GitLab reads too."""
    lines = list(_head(planned))
    plan = planned.changes
    for impact in _TITLES:
        lines += _section(impact, [change for change in plan.changes if change.impact == impact], _room(lines))
    lines += _resync(plan.resync, _room(lines))
    lines += _sql(plan.sql, min(_room(lines), _DIFF_LETTERS))
    return "\n".join(lines).rstrip("\n")


def _room(lines: Iterable[str]) -> int:
    """How many more letters there may be."""
    return _LETTERS - sum(len(line) + 1 for line in lines)


def _head(planned: Planned) -> Iterator[str]:
    version = "an empty registry" if planned.current is None else f"registry version {planned.current}"
    yield from (f"### Feature store: {summary(planned.changes)}", "")
    project, target = _code(planned.project.name), _code(planned.source.target)
    yield from (f"dbt project `{project}`, target `{target}`, against {version}.", "")
    if planned.changes.is_empty:
        yield from ("Nothing to change.", "")
    refused = refused_names(planned)
    if refused:
        flags = " ".join(f"--allow-breaking {_code(name)}" for name in refused[:_NAMES])
        more = f" and {len(refused) - _NAMES} more" if len(refused) > _NAMES else ""
        yield f"> **`apply` will refuse this**: make new dbt model versions, or `featurestore apply {flags}`{more}."
        yield ""
    doubts = [text for text in (not_compiled(planned), *planned.warnings) if text]
    if doubts:
        yield from ("<details>", f"<summary>{counted(len(doubts), 'warning')}</summary>", "")
        yield from (f"- {_cell(text)}" for text in doubts[:_WARNINGS])
        yield from ("", "</details>", "")


def _section(impact: str, changes: list[Change], room: int) -> Iterator[str]:
    if not changes:
        return
    title = f"{_TITLES[impact]}: {counted(len(changes), 'change')}"
    yield from (("<details>", f"<summary>{title}</summary>", "") if impact in _FOLDED else (f"#### {title}", ""))
    yield from ("| | what | change | hits |", "|---|---|---|---|")
    rows = [
        f"| {it.kind} | {it.what} `{_code(it.name)}` | {_cell(what_changed(it))} | {_cell(', '.join(hits(it)))} |"
        for it in changes
    ]
    yield from _as_many(rows, room, "| | and {} more | | |")
    yield ""
    if impact in _FOLDED:
        yield from ("</details>", "")


def _resync(resync: Sequence[Resync], room: int) -> Iterator[str]:
    if not resync:
        return
    yield from ("#### Sync again, after dbt has built the models", "", "| view | why | command |", "|---|---|---|")
    rows = [
        f"| `{_code(each.view)}` | {_cell(', '.join(each.reasons))} | `{_code(resync_command(each))}` |"
        for each in resync
    ]
    yield from _as_many(rows, room, "| and {} more | | |")
    yield ""


def _as_many(rows: list[str], room: int, more: str) -> Iterator[str]:
    """The rows that there is room for, and how many there are more."""
    for number, row in enumerate(rows):
        room -= len(row) + 1
        if room < 0:
            yield more.format(len(rows) - number)
            return
        yield row


def _sql(diffs: Sequence[SqlDiff], room: int) -> Iterator[str]:
    left_out: list[str] = []
    for each in diffs:
        text = "\n".join(each.diff)
        if len(text) > room:
            left_out.append(each.name)
        elif text:
            room -= len(text) + len(each.name) + len(each.path) + _FRAME_LETTERS
            fence = "```" + "`" * max((len(run) for run in _runs_of_ticks(text)), default=0)
            yield from (
                "<details>",
                f"<summary>SQL of <code>{escape(each.name)}</code> ({escape(each.path)})</summary>",
                "",
            )
            yield from (f"{fence}diff", text, fence, "", "</details>", "")
    if left_out:
        names = ", ".join(f"`{_code(name)}`" for name in left_out[:_NAMES])
        more = f" and {len(left_out) - _NAMES} more" if len(left_out) > _NAMES else ""
        yield f"Too long to show here: the SQL of {names}{more}."


def _runs_of_ticks(text: str) -> list[str]:
    return [run for run in "".join(letter if letter == "`" else " " for letter in text).split() if len(run) > 2]


def _cell(text: str) -> str:
    """Write a text as itself: no mark-up, and nobody is called by an ``@``."""
    marked = _MARKS.sub(r"\\\g<0>", escape(one_line(text, _CELL_LETTERS), quote=False))
    return _CALLS.sub("\\1\u200b", marked)


def _code(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")
