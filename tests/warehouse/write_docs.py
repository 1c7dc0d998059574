"""Write what each warehouse can do into docs/warehouses.md: ``python -m tests.warehouse.write_docs``.

What stands between the two markers is written anew; everything around them is for people.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouse.warehouses import BEHAVIOURS, WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "warehouses.md"
BEGIN = "<!-- written by `python -m tests.warehouse.write_docs` -->\n"
END = "<!-- end -->\n"


def rewritten(page: str) -> str:
    """The page with today's table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join([*_table(), "", *_reasons()]) + "\n\n" + END + after


def _table() -> Iterator[str]:
    yield f"| behaviour | {' | '.join(tested.name for tested in WAREHOUSES)} |"
    yield f"|---|{'---|' * len(WAREHOUSES)}"
    for behaviour, sentence in BEHAVIOURS.items():
        marks = [tested.mark(behaviour) for tested in WAREHOUSES]
        yield f"| {sentence} | {' | '.join('works' if mark is None else mark.status for mark in marks)} |"


def _reasons() -> Iterator[str]:
    for tested in WAREHOUSES:
        by_mark: dict[tuple[str, str], list[str]] = {}
        for behaviour, sentence in BEHAVIOURS.items():
            mark = tested.mark(behaviour)
            if mark is not None:
                by_mark.setdefault((mark.status, mark.reason), []).append(sentence)
        for (status, reason), sentences in by_mark.items():
            what = "everything" if len(sentences) == len(BEHAVIOURS) else "; ".join(sentences)
            yield f"- **{tested.name}**, {status}: {what}. Because: {reason}."


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
