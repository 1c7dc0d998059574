"""An explanation as HTML: the timeline, and behind it the same rows as tables, and the SQL that found them.

The tables are the timeline's text alternative. Nothing is loaded from elsewhere and nothing needs a script.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import OperationError
from featurestore.training.explain.markup import escaped, tag
from featurestore.training.explain.style import DRAWING, PAGE, TABLES
from featurestore.training.explain.text import headline
from featurestore.training.explain.timeline import draw
from featurestore.training.explain.view import age
from featurestore.training.explain.words import moment, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.training.explain.example import Example
    from featurestore.training.explain.view import Candidate, ViewExplanation


def figure(example: Example, views: Sequence[ViewExplanation]) -> str:
    """Write an explanation for a notebook's cell: one ``<div>``."""
    tables = "".join(_table(view, example) for view in views if view.candidates)
    queries = "".join(tag("pre", {}, escaped(f"{view.sql};")) for view in views if view.sql)
    folded = [
        tag("details", {}, tag("summary", {}, title), content)
        for title, content in (("All rows as tables", tables), ("The SQL that found them", queries))
        if content
    ]
    behind = tag("div", {"class": "fs-rows"}, tag("style", {}, TABLES), *folded) if folded else ""
    drawn = tag("div", {"class": "fs-draw"}, tag("style", {}, DRAWING), draw(example, views))
    return tag("div", {}, drawn, behind)


def whole_page(example: Example, views: Sequence[ViewExplanation]) -> str:
    """Write an explanation as an HTML document of its own."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', {}, escaped(headline(example)))}<style>{PAGE}</style>"
    )
    body = tag("body", {}, tag("main", {}, figure(example, views)))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>{body}</html>\n'


def write_page(page: str, path: str | Path) -> None:
    """Write a page to a file, whole or not at all; one that was there is replaced.

    Raises:
        OperationError: the file cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial") if target.name else target
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        hint = "check the folder, its permissions and free space"
        raise OperationError(f"cannot write {target}: {error.strerror or error}", hint=hint) from error
    finally:
        if target.name:
            with suppress(OSError):
                partial.unlink()


def _table(view: ViewExplanation, example: Example) -> str:
    names = ["event time", "created", "usable from", "valid to", "age", *view.features, "verdict"]
    head = tag("tr", {}, *[tag("th", {"scope": "col"}, escaped(name)) for name in names])
    rows = [_row(candidate, view, example) for candidate in view.candidates]
    caption = tag("caption", {}, escaped(view.title))
    table = tag("table", {}, caption, tag("thead", {}, head), tag("tbody", {}, *rows))
    return tag("div", {"class": "scroll"}, table)


def _row(candidate: Candidate, view: ViewExplanation, example: Example) -> str:
    row = candidate.row
    times = [moment(time) for time in (row.event_us, row.created_us, row.usable_from_us, row.valid_to_us)]
    values = [value(row.values[name], 80) for name in view.features]
    texts = [*times, age(candidate, example), *values, candidate.verdict.text]
    cells = [tag("td", {}, escaped(text)) for text in texts[1:]]
    name = {"class": "taken"} if candidate.verdict.is_taken else {}
    return tag("tr", name, tag("th", {"scope": "row"}, escaped(texts[0])), *cells)
