"""An explanation as plain text: a header, then per view its rules, a sentence, and a table of its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.training.explain.view import age
from featurestore.training.explain.words import moment, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.training.explain.example import Example
    from featurestore.training.explain.view import Candidate, ViewExplanation

_GAP = "  "
_LONGEST_CELL = 24


def written(example: Example, views: Sequence[ViewExplanation]) -> str:
    """Write an explanation; lines end without blanks."""
    parts = [headline(example), *(_view(view, example) for view in views)]
    return "\n\n".join(parts)


def headline(example: Example) -> str:
    """Name the example: ``Example  customer_id=7  at 2026-06-10T12:00:00Z``."""
    row = "" if example.row is None else f" {example.row}"
    keys = f"{_GAP}{example.label}" if example.keys else ""
    return f"Example{row}{keys}{_GAP}at {'NULL' if example.at_us is None else moment(example.at_us)}"


def rules(view: ViewExplanation) -> str:
    """Write a view's rules of time in one line."""
    return ", ".join(f"{name} {value}" for name, value in view.rules)


def _view(view: ViewExplanation, example: Example) -> str:
    lines = [f"{view.title}{_GAP}{rules(view)}", f"{_GAP}{view.summary}"]
    if view.candidates:
        lines.append(_table(view, example))
    if view.not_shown:
        lines.append(f"{_GAP}Not shown: {', '.join(view.not_shown)}.")
    return "\n".join(lines)


def _table(view: ViewExplanation, example: Example) -> str:
    """One line per candidate; a column of times only where the view has such times."""
    columns = ["", "EVENT TIME"]
    has_created = view.use.view.created_at is not None
    has_end = view.use.view.valid_to is not None
    columns += ["CREATED"] * has_created + ["VALID TO"] * has_end + ["AGE", *view.features, "VERDICT"]
    rows = [columns]
    for candidate in view.candidates:
        row = candidate.row
        cells = [">" if candidate.verdict.is_taken else "", moment(row.event_us)]
        cells += [moment(row.created_us)] * has_created + [moment(row.valid_to_us)] * has_end
        cells += [age(candidate, example), *_values(candidate, view), candidate.verdict.text]
        rows.append(cells)
    return _aligned(rows)


def _values(candidate: Candidate, view: ViewExplanation) -> list[str]:
    return [value(candidate.row.values[name], _LONGEST_CELL) for name in view.features]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(_GAP + line for line in lines)
