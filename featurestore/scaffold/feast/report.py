"""What an import made, and what it could not, line by line: for people, and for the pull request that brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.scaffold.feast.escape import code, markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.scaffold.feast.notes import Made, Note

REPORT = "feast_import.md"
NEXT = ("dbt build", "featurestore apply", "featurestore materialize")


def report_text(*, project: str, feast: str, adapter: str, made: Sequence[Made], notes: Sequence[Note]) -> str:
    """Write the report.

    Args:
        project: Feast's name of the project.
        feast: Feast's version.
        adapter: dbt's.
        made: what was made.
        notes: what has no equal.

    Returns:
        Markdown; the same for the same repository.
    """
    lines = [
        f"# Imported from the Feast project {code(project)}",
        "",
        f"Read with Feast {markdown(feast or 'of an unknown version')}; written for dbt with {markdown(adapter)}.",
        f"Next: {', '.join(code(each) for each in NEXT)}.",
        "",
        "## What was made",
        "",
    ]
    if made:
        lines += ["| in Feast | name | here | file |", "|---|---|---|---|"]
        lines += [f"| {each.kind} | {_cell(each.name)} | {each.made} | {_cell(each.place)} |" for each in made]
    else:
        lines.append("Nothing: the repository defines nothing that could be written.")
    lines += ["", "## What has no equal, and what to do", ""]
    lines += [f"- {note_line(note)}" for note in notes] or ["Nothing."]
    return "\n".join(lines) + "\n"


def note_line(note: Note) -> str:
    """One note in one line of Markdown."""
    return f"{note.kind} {code(note.name)}: {markdown(note.what)}. → {markdown(note.hint)}."


def _cell(text: str) -> str:
    return code(text).replace("|", "\\|")
