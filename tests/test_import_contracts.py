"""What the package may load, and what none of its files may hold: checked on the files and in fresh processes."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

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


def loaded_by(code):
    """Top-level packages that are loaded after this code has run in a fresh process."""
    report = f"{code}\nimport sys; print('\\n'.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def trees():
    return [(path.relative_to(REPOSITORY).as_posix(), ast.parse(path.read_bytes())) for path in FILES]


def imported_by(tree):
    """Top-level names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def called_by(tree):
    """Names of all builtins, bare or through `builtins`, that a file mentions."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "builtins"
    }


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


def test_no_file_reads_or_writes_executable_data():
    """R3."""
    assert {
        name: imported_by(tree) & EXECUTABLE_DATA for name, tree in trees() if imported_by(tree) & EXECUTABLE_DATA
    } == {}


def test_no_file_runs_text_as_code():
    """R3."""
    assert {name: called_by(tree) & RUNS_TEXT for name, tree in trees() if called_by(tree) & RUNS_TEXT} == {}


def test_no_file_imports_dbt():
    """DESIGN, The contract with dbt is files."""
    assert [name for name, tree in trees() if "dbt" in imported_by(tree)] == []


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


def test_every_module_says_its_idea():
    """STYLE 2."""
    assert [name for name, tree in trees() if not ast.get_docstring(tree)] == []


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
