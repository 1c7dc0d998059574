"""What README and guides show is what happens: their snippets run, their links lead somewhere, their length is kept."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.snippets import matches, run_step, steps_of
from tests.shop import copy_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WITH_SNIPPETS = [page for page in PAGES if steps_of(page)]
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=page_name)
def test_the_snippets_of_a_page_do_what_it_says(page, shop, tmp_path):
    """Each page runs in a built shop of its own, with its profile inside the project."""
    mine = copy_of(shop, tmp_path / "mine")
    shutil.copy(mine.profiles_dir / "profiles.yml", mine.project_dir)
    for step in steps_of(page):
        run_step(step, mine.project_dir)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert broken == []


def test_the_readme_has_snippets_and_at_most_300_lines():
    assert ROOT / "README.md" in WITH_SNIPPETS
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 300


def test_dots_stand_for_anything_and_nothing_else_does():
    assert matches("a ... c", "a b c")
    assert not matches("a ... c", "a b d")
    assert not matches("a.c", "abc")
