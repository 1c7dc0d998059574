"""What README and guides show is what happens: their snippets run, their links lead somewhere, their length is kept."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.snippets import end_servers, matches, on_a_free_port, run_step, steps_of
from tests.shop import copy_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WITH_SNIPPETS = [page for page in PAGES if steps_of(page)]
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SHOWN_BY = re.compile(r"\[[\w/]+\]\((tests/[\w/]+\.py)\): ((?:`\w+`(?:, )?)+)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=page_name)
def test_the_snippets_of_a_page_do_what_it_says(page, shop, tmp_path):
    """Each page runs in a built shop of its own, with its profile inside the project."""
    mine = copy_of(shop, tmp_path / "mine")
    shutil.copy(mine.profiles_dir / "profiles.yml", mine.project_dir)
    try:
        for step in on_a_free_port(steps_of(page)):
            run_step(step, mine.project_dir)
    finally:
        end_servers(mine.project_dir)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = [link for link in _LINK.findall(text) if not leads_somewhere(page, *link)]
    assert broken == []


def leads_somewhere(page: Path, path: str, anchor: str) -> bool:
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def test_each_promise_of_the_readme_names_tests_that_exist():
    promises = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Promises")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 14
    for row in rows:
        shown = _SHOWN_BY.findall(row)
        assert shown, row
        for path, names in shown:
            code = (ROOT / path).read_text(encoding="utf-8")
            assert [name for name in re.findall(r"\w+", names) if f"def {name}(" not in code] == []


def test_the_readme_has_snippets_and_at_most_300_lines():
    assert ROOT / "README.md" in WITH_SNIPPETS
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 300


def test_dots_stand_for_anything_and_nothing_else_does():
    assert matches("a ... c", "a b c")
    assert not matches("a ... c", "a b d")
    assert not matches("a.c", "abc")


def test_the_python_of_the_cards_page_runs():
    """Its definition of the hash, and the example."""
    text = (ROOT / "docs" / "training-card.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert str(names["example"]).startswith("rowsum1:")
