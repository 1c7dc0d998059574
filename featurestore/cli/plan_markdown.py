"""A plan as a comment for a pull request: the worst first, what nobody needs to look at folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.changes import hits, resync_command, summary, what_changed
from featurestore.cli.plan import refused_names
from featurestore.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.registry.plan import Change, SqlDiff
    from featurestore.registry.planned import Planned

_TITLES = {
    "breaking": "Breaking",
    "value-changing": "Other values",
    "compatible": "Compatible",
    "cosmetic": "Cosmetic",
}
_FOLDED = ("compatible", "cosmetic")
_ROWS = 200
_DIFF_LETTERS = 40_000  # a comment may have some 65,000


def plan_markdown(planned: Planned) -> str:
    """Write a plan in GitHub's Markdown, which GitLab reads too."""
    version = "an empty registry" if planned.current is None else f"registry version {planned.current}"
    lines = [f"### Feature store: {summary(planned.changes)}", ""]
    lines += [f"dbt project `{planned.project.name}`, target `{planned.source.target}`, against {version}.", ""]
    if planned.changes.is_empty:
        lines += ["Nothing to change."]
    refused = refused_names(planned)
    if refused:
        flags = " ".join(f"--allow-breaking {name}" for name in refused)
        lines += [f"> **`apply` will refuse this**: make new dbt model versions, or `featurestore apply {flags}`.", ""]
    for impact in _TITLES:
        lines += _section(impact, [change for change in planned.changes.changes if change.impact == impact])
    lines += _resync(planned)
    lines += _sql(planned.changes.sql)
    return "\n".join(lines).rstrip("\n")


def _section(impact: str, changes: list[Change]) -> Iterator[str]:
    if not changes:
        return
    title = f"{_TITLES[impact]}: {counted(len(changes), 'change')}"
    yield from (("<details>", f"<summary>{title}</summary>", "") if impact in _FOLDED else (f"#### {title}", ""))
    yield from ("| | what | change | hits |", "|---|---|---|---|")
    for change in changes[:_ROWS]:
        said = _cell(what_changed(change))
        yield f"| {change.kind} | {change.what} `{_code(change.name)}` | {said} | {_cell(', '.join(hits(change)))} |"
    if len(changes) > _ROWS:
        yield f"| | and {len(changes) - _ROWS} more | | |"
    yield ""
    if impact in _FOLDED:
        yield from ("</details>", "")


def _resync(planned: Planned) -> Iterator[str]:
    if not planned.changes.resync:
        return
    yield from ("#### Sync again, after dbt has built the models", "", "| view | why | command |", "|---|---|---|")
    for each in planned.changes.resync:
        yield f"| `{_code(each.view)}` | {_cell(', '.join(each.reasons))} | `{_code(resync_command(each))}` |"
    yield ""


def _sql(diffs: tuple[SqlDiff, ...]) -> Iterator[str]:
    room = _DIFF_LETTERS
    left_out: list[str] = []
    for each in diffs:
        text = "\n".join(each.diff)
        if len(text) > room:
            left_out.append(each.name)
        elif text:
            room -= len(text)
            fence = "```" + "`" * max((len(run) for run in _runs_of_ticks(text)), default=0)
            yield from (
                "<details>",
                f"<summary>SQL of <code>{_html(each.name)}</code> ({_html(each.path)})</summary>",
                "",
            )
            yield from (f"{fence}diff", text, fence, "", "</details>", "")
    if left_out:
        yield f"Too long to show here: the SQL of {', '.join(f'`{_code(name)}`' for name in left_out)}."


def _runs_of_ticks(text: str) -> list[str]:
    return [run for run in "".join(letter if letter == "`" else " " for letter in text).split() if len(run) > 2]


def _cell(text: str) -> str:
    return _html(" ".join(text.split())).replace("|", "\\|").replace("`", "\\`")


def _code(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")


def _html(text: str) -> str:
    from html import escape

    return escape(text, quote=False)
