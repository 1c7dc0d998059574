"""Every YAML file passes dbt v2's strict schema, which dbt v1 carries but does not apply on DuckDB."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator
from jsonschema.validators import extend

from tests.shop import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow

READ_SCHEMAS = """
import json
from dbt.jsonschemas.jsonschemas import project_schema, resources_schema
print(json.dumps({"project": project_schema(), "resources": resources_schema()}))
"""
EXAMPLE = REPOSITORY / "dbt_project"
PROJECTS = [REPOSITORY / "dbt_project.yml", EXAMPLE / "dbt_project.yml"]
RESOURCES = sorted(
    path
    for folder in (REPOSITORY / "macros", *(EXAMPLE / part for part in ("models", "seeds", "snapshots")))
    for path in folder.rglob("*.yml")
)
A_MODEL = {"name": "orders", "config": {"event_time": "at", "meta": {"feature_view": {"entities": ["user"]}}}}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The schemas that dbt-core brings along; dbt is asked in a process of its own."""
    done = subprocess.run([sys.executable, "-c", READ_SCHEMAS], capture_output=True, text=True, check=True)
    read = json.loads(done.stdout)
    # dbt 1.11's copy has a mistake, gone in 1.12's: a version's `columns` must be an object, where dbt wants a list.
    read["resources"]["definitions"]["Versions"]["properties"].setdefault("columns", {"type": ["array", "null"]})
    return read


def problems(schema: Mapping[str, Any], document: object) -> list[str]:
    """What is wrong, and where."""
    errors = _Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_properties_are_legal_in_dbt_v2(schemas, path: Path):
    assert problems(schemas["resources"], yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_project_files_are_legal_in_dbt_v2(schemas, path: Path):
    assert problems(schemas["project"], yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a top-level meta", {"meta": {"feature_view": {}}}),
        ("a config key of our own", {"config": {"feature_view": {"entities": ["user"]}}}),
        ("meta beside a column's config", {"columns": [{"name": "x", "meta": {"feature": {}}}]}),
        ("a property of our own", {"entities": ["user"]}),
    ],
)
def test_what_is_not_legal_is_found(schemas, what, change):
    """The test can fail: each of these passes dbt v1 on DuckDB in silence."""
    assert problems(schemas["resources"], {"models": [A_MODEL]}) == []
    assert problems(schemas["resources"], {"models": [{**A_MODEL, **change}]}) != [], what


def test_there_is_something_to_check():
    assert len(RESOURCES) > 15


def _type_rule(validator: Any, types: Any, instance: Any, schema: Any) -> Any:
    """Take dates for text, as dbt does: YAML reads them as dates, the schema knows JSON only."""
    if "string" in types and isinstance(instance, date):
        return None
    return Draft7Validator.VALIDATORS["type"](validator, types, instance, schema)


_Validator = extend(Draft7Validator, validators={"type": _type_rule})
