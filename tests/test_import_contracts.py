"""What the package may load, and what none of its files may hold: checked on the files and in fresh processes."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "featurestore"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "dbt",
    "duckdb",
    "fastapi",
    "jinja2",
    "pandas",
    "polars",
    "pyarrow",
    "redis",
    "rich",
    "sqlglot",
    "starlette",
    "yaml",
}
EXECUTABLE_DATA = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
RUNS_TEXT = {"__import__", "compile", "eval", "exec"}
MOST_LINES = 400

parsed_once = pytest.mark.xdist_group("all files, parsed once")


def loaded_by(code):
    """Top-level packages that are loaded after this code has run in a fresh process."""
    report = f"{code}\nimport sys; print('\\n'.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


class Held(NamedTuple):
    """What a file holds, wherever in it.

    Attributes:
        modules: whose names it imports; `imports` their top-level names.
        names: bare, or after `builtins.`.
    """

    modules: frozenset[str]
    imports: frozenset[str]
    names: frozenset[str]
    says_its_idea: bool


@cache
def held():
    """What each file holds, by its path."""
    return {path.relative_to(REPOSITORY).as_posix(): held_by(ast.parse(path.read_bytes())) for path in FILES}


def held_by(tree):
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "builtins":
            names.add(node.attr)
    imports = {name.partition(".")[0] for name in modules}
    return Held(frozenset(modules), frozenset(imports), frozenset(names), bool(ast.get_docstring(tree)))


def backends():
    """Every entry point of ours that `pyproject.toml` names."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return [EntryPoint(name, value, group) for group, lines in groups.items() for name, value in lines.items()]


def test_importing_the_package_loads_nothing_else():
    assert loaded_by("import featurestore") & (HEAVY | {"msgspec", "click"}) == set()


@pytest.mark.parametrize(
    "module", ["featurestore.serving", "featurestore.serving.client", "featurestore.registry.read"]
)
def test_the_light_client_loads_msgspec_and_the_standard_library_only(module):
    loaded = loaded_by(f"import {module}")
    assert loaded & (HEAVY | {"click"}) == set()
    allowed = {*sys.stdlib_module_names, "featurestore", "msgspec", "typing_extensions", "__main__"}
    before = loaded_by("")  # what this interpreter's start loads by itself, such as .pth files
    assert loaded - before - allowed == set()


def test_a_client_of_a_registry_on_disk_loads_nothing_for_buckets(tmp_path):
    code = f"""
from pathlib import Path
from featurestore.errors import UsageError
from featurestore.serving import open_client
try:
    open_client({str(tmp_path)!r}, registry="registry", online_store="memory:")
except UsageError as error:
    assert "holds no version yet" in str(error), error
import sys
assert "featurestore.buckets" not in sys.modules
assert "logging" not in sys.modules
"""
    assert loaded_by(code) & {*HEAVY, "boto3", "obstore"} == set()


@pytest.mark.skipif(not (PACKAGE / "cli" / "__init__.py").exists(), reason="there is no command line yet")
def test_help_loads_nothing_heavy():
    """DESIGN, Layers."""
    code = """
import sys
from featurestore.cli import main
sys.argv, out, sys.stdout = ["featurestore", "--help"], sys.stdout, sys.stderr
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
sys.stdout = out
"""
    assert loaded_by(code) & HEAVY == set()


@parsed_once
def test_no_file_reads_or_writes_executable_data():
    """R3."""
    assert {name: of.imports & EXECUTABLE_DATA for name, of in held().items() if of.imports & EXECUTABLE_DATA} == {}


@parsed_once
def test_no_file_runs_text_as_code():
    """R3."""
    assert {name: of.names & RUNS_TEXT for name, of in held().items() if of.names & RUNS_TEXT} == {}


@parsed_once
def test_no_file_imports_dbt():
    """DESIGN, The contract with dbt is files."""
    assert [name for name, of in held().items() if "dbt" in of.imports] == []


@pytest.mark.parametrize("found", [pytest.param(found, id=f"{found.group} {found.name}") for found in backends()])
def test_every_entry_point_loads(found):
    assert callable(found.load())


def test_the_layers_are_kept():
    """DESIGN, Layers: the contracts stand in pyproject.toml."""
    pytest.importorskip("importlinter")
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@parsed_once
def test_every_module_says_its_idea():
    """STYLE 2."""
    assert [name for name, of in held().items() if not of.says_its_idea] == []


def test_no_file_is_too_long():
    """STYLE 4."""
    lengths = {path.relative_to(REPOSITORY).as_posix(): len(path.read_bytes().splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_folder_is_a_package():
    """A folder without `__init__.py` is left out of the import contracts without a word."""
    folders = {path.parent for path in FILES}
    assert [
        folder.relative_to(REPOSITORY).as_posix() for folder in folders if not (folder / "__init__.py").exists()
    ] == []
    assert importlib.util.find_spec("featurestore") is not None
