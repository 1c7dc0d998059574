"""The guide to the command line says what the command line says."""

from __future__ import annotations

from featurestore.cli.commands import COMMANDS
from featurestore.errors import FeatureStoreError
from tests.cli.write_docs import PAGE, WIDTH, rewritten


def test_the_help_texts_in_the_guide_are_the_real_ones():
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page), "run: python -m tests.cli.write_docs"


def test_the_help_texts_in_the_guide_are_what_a_terminal_shows(tiny):
    page = PAGE.read_text(encoding="utf-8")
    for name in COMMANDS:
        assert tiny.run(name, "--help", environ={"COLUMNS": str(WIDTH + 2)}).out in page, name


def test_the_guide_names_every_exit_code():
    page = PAGE.read_text(encoding="utf-8")
    codes = {0, 130} | {error.exit_code for error in all_errors(FeatureStoreError)}
    assert codes == {0, 1, 2, 3, 4, 130}
    assert all(f"| {code} |" in page for code in codes)


def all_errors(base):
    return [base, *(error for child in base.__subclasses__() for error in all_errors(child))]
