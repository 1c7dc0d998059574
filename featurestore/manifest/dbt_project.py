"""What we need of `dbt_project.yml`: the project's name, its profile, and where dbt writes its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.manifest.paths import shown_path
from featurestore.manifest.templates import Renderer
from featurestore.manifest.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "dbt_project.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtProject:
    """A dbt project on disk.

    Attributes:
        name: its name.
        profile: the profile it asks for; None if it names none.
        project_dir: the folder of `dbt_project.yml`.
        target_dir: where dbt writes manifest.json and the other artifacts.
    """

    name: str
    profile: str | None
    project_dir: Path
    target_dir: Path


def load_dbt_project(project_dir: Path, *, environ: Mapping[str, str]) -> DbtProject:
    """Read `dbt_project.yml`.

    Args:
        project_dir: its folder.
        environ: environment variables; DBT_TARGET_PATH wins over the file's ``target-path``.

    Raises:
        UsageError: there is no dbt project, or its file cannot be read.
    """
    path = project_dir / FILE_NAME
    if not path.is_file():
        hint = "change to a dbt project's folder, or name it: --project-dir"
        raise UsageError(f"no {FILE_NAME} in {shown_path(project_dir)}", hint=hint)
    values = read_yaml(path, unique_keys=False)
    renderer = Renderer(place=shown_path(path), environ=environ)
    texts: dict[str, str] = {}
    for key in ("name", "profile", "target-path"):
        value = renderer.render(values.get(key), key)
        if isinstance(value, str) and value.strip():
            texts[key] = value
        elif value is not None:
            raise UsageError("expected text", where=f"{shown_path(path)}: {key}")
    if "name" not in texts:
        raise UsageError("the key 'name' is missing", where=shown_path(path))
    target_path = environ.get("DBT_TARGET_PATH") or texts.get("target-path") or "target"
    return DbtProject(
        name=texts["name"],
        profile=texts.get("profile"),
        project_dir=project_dir,
        target_dir=project_dir / target_path,
    )
