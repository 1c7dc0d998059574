"""The package is what it says: one macro per file, each with its idea in a header, each documented."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.shop import REPOSITORY

MACROS = sorted((REPOSITORY / "macros").rglob("*.sql"))
DOCUMENTED = {
    macro["name"]: macro for macro in yaml.safe_load((REPOSITORY / "macros" / "_macros.yml").read_text())["macros"]
}
DEFINED = re.compile(r"\{%-? (?P<kind>macro|test) (?P<name>\w+)\(")
OF_A_WAREHOUSE = re.compile(r"^(default|duckdb|postgres|redshift|snowflake|spark|bigquery|trino)__")


def public_name(text: str) -> str:
    """The macro that a file is about, as dbt names it."""
    names = [f"test_{name}" if kind == "test" else name for kind, name in DEFINED.findall(text)]
    (public,) = (name for name in names if not OF_A_WAREHOUSE.match(name))
    return public


@pytest.mark.parametrize("path", MACROS, ids=lambda path: path.stem)
def test_a_file_holds_one_macro_with_a_header_and_documentation(path):
    text = path.read_text()
    assert text.startswith("{#\n    ")
    assert public_name(text).removeprefix("test_") == path.stem
    assert DOCUMENTED[public_name(text)]["description"]


def test_nothing_is_documented_that_is_not_there():
    assert set(DOCUMENTED) == {public_name(path.read_text()) for path in MACROS}


def test_the_guide_names_every_public_macro():
    guide = (REPOSITORY / "docs" / "guides" / "dbt-package.md").read_text()
    public = [name for name, macro in DOCUMENTED.items() if macro.get("docs", {}).get("show", True)]
    assert [name for name in public if f"`{name.removeprefix('test_')}" not in guide] == []


def test_macros_are_plain_jinja():
    """MiniJinja, dbt v2's engine, has no `modules`, and no Python objects to reach into."""
    for path in MACROS:
        code = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"modules\.|\bcaller\b|__\w+__\.|\.format\(|\bvarargs\b|\bkwargs\b|%\s*\(", code), (
            path.name
        )


def test_dbt_scans_nothing_but_the_macros_of_the_root():
    """The example lies inside the package; dbt must not take its models for the package's."""
    project = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text())
    assert project["macro-paths"] == ["macros"]
    assert project["docs-paths"] == ["macros"]
    assert all(project[f"{kind}-paths"] == [] for kind in ("model", "seed", "snapshot", "analysis", "test"))
