"""dbt's `profiles.yml`: how to reach the warehouse of a target. Its secrets are in no message and no repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.errors import UsageError, did_you_mean
from featurestore.manifest.paths import shown_path
from featurestore.manifest.templates import Renderer
from featurestore.manifest.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.manifest.dbt_project import DbtProject

FILE_NAME = "profiles.yml"
DEFAULT_TARGET = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One target of a dbt profile.

    Attributes:
        name: the profile's name.
        target: the target's name.
        type: the dbt adapter, e.g. ``duckdb``.
        values: the target's other keys, rendered. dbt takes relative paths from the project's folder.
    """

    name: str
    target: str
    type: str
    values: Mapping[str, Any] = field(repr=False)


def load_profile(
    project: DbtProject,
    *,
    profiles_dir: Path | None = None,
    profile: str | None = None,
    target: str | None = None,
    environ: Mapping[str, str],
) -> Profile:
    """Find and read the profile of a dbt project, as dbt does.

    Args:
        project: whose ``profile`` is used when none is named.
        profiles_dir: where profiles.yml is; else DBT_PROFILES_DIR, the project, the current directory, ``~/.dbt``.
        profile: the profile; else DBT_PROFILE, else the project's.
        target: the target; else DBT_TARGET, else the profile's ``target``, else ``default``.
        environ: environment variables.

    Returns:
        The target, with Jinja rendered in it and nowhere else in the file.

    Raises:
        UsageError: no profiles.yml, profile or target of this name (near names), a missing environment variable.
    """
    path = _find(project.project_dir, profiles_dir, environ)
    place = shown_path(path)
    name, raw = _read_profile(project, path, profile, environ)
    renderer = Renderer(place=place, environ=environ)
    outputs = _outputs(raw, f"{place}: {name}")
    chosen = target or environ.get("DBT_TARGET")
    if not chosen:
        chosen = str(renderer.render(raw.get("target") or DEFAULT_TARGET, f"{name}.target"))
    if chosen not in outputs:
        raise UsageError(f"no target '{chosen}' in profile '{name}'", where=place, hint=did_you_mean(chosen, outputs))
    return _read_target(name, chosen, outputs[chosen], renderer)


def target_names(project: DbtProject, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the targets of a dbt project's profile, which is found as `load_profile` does; nothing is rendered.

    Raises:
        UsageError: no profiles.yml, no profile of this name, or no targets in it.
    """
    path = _find(project.project_dir, None, environ)
    name, raw = _read_profile(project, path, None, environ)
    return tuple(_outputs(raw, f"{shown_path(path)}: {name}"))


def _read_profile(project: DbtProject, path: Path, profile: str | None, environ: Mapping[str, str]) -> tuple[str, Any]:
    """The name of the profile that counts, and what the file has for it."""
    name = profile or environ.get("DBT_PROFILE") or project.profile
    if name is None:
        raise UsageError(
            "the dbt project names no profile", hint="add `profile: NAME` to dbt_project.yml, or pass --profile"
        )
    profiles = {key: value for key, value in read_yaml(path, unique_keys=False).items() if key != "config"}
    if name not in profiles:
        raise UsageError(f"no profile '{name}'", where=shown_path(path), hint=did_you_mean(name, profiles))
    return name, profiles[name]


def _find(project_dir: Path, profiles_dir: Path | None, environ: Mapping[str, str]) -> Path:
    named = profiles_dir or environ.get("DBT_PROFILES_DIR")
    folders = [Path(named).expanduser()] if named else [project_dir, Path.cwd(), Path.home() / ".dbt"]
    for folder in folders:
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    looked = ", ".join(dict.fromkeys(shown_path(folder) for folder in folders))
    raise UsageError(f"no {FILE_NAME} in {looked}", hint="name its folder: --profiles-dir or DBT_PROFILES_DIR")


def _outputs(profile: object, where: str) -> dict[str, Any]:
    outputs = profile.get("outputs") if isinstance(profile, dict) else None
    if not isinstance(outputs, dict) or not outputs:
        raise UsageError("expected a mapping `outputs:` of targets", where=where)
    return {str(name): value for name, value in outputs.items()}


def _read_target(name: str, target: str, raw: object, renderer: Renderer) -> Profile:
    key = f"{name}.outputs.{target}"
    if not isinstance(raw, dict):
        raise UsageError("expected a mapping of keys", where=f"{renderer.place}: {key}")
    values = renderer.render(raw, key)
    adapter = values.pop("type", None)
    if not isinstance(adapter, str):
        raise UsageError(
            "expected the name of a dbt adapter, e.g. `type: duckdb`", where=f"{renderer.place}: {key}.type"
        )
    return Profile(name=name, target=target, type=adapter, values=values)
