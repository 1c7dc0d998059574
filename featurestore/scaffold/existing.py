"""The feature store in a dbt project that is there already: what is missing is added, nothing is changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.errors import UsageError
from featurestore.manifest.dbt_project import FILE_NAME, load_dbt_project
from featurestore.manifest.paths import shown_path
from featurestore.manifest.yaml_file import read_yaml
from featurestore.scaffold.files import Written, create_files, extend_lines
from featurestore.scaffold.shipped import defined_macros, files_below, shipped
from featurestore.scaffold.texts import SETTINGS, STATE_IGNORED

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "featurestore"
_MENTION = re.compile(r"^[^#\n]*\bfeaturestore\b", re.MULTILINE)


def add_to_project(folder: Path, *, environ: Mapping[str, str], with_macros: bool = True) -> tuple[Written, ...]:
    """Add the macros, `featurestore.yml` and a line in `.gitignore` to a dbt project, where they are missing.

    Args:
        folder: of the project's `dbt_project.yml`.
        environ: environment variables.
        with_macros: False leaves the macros out.

    Returns:
        One outcome per file.

    Raises:
        UsageError: `dbt_project.yml` cannot be read, or a macro of the project has the name of one of ours; nothing was
            written.
        OperationError: a file cannot be written.
    """
    project = load_dbt_project(folder, environ=environ)
    settings = read_yaml(folder / FILE_NAME, unique_keys=False)
    macros: dict[str, bytes] = {}
    kept: tuple[Written, ...] = ()
    if with_macros and not (project.name == PACKAGE or _has_package(folder, settings)):
        macros, kept = _macros_to_write(folder, _macro_paths(settings))
    return (
        *kept,
        *create_files(folder, macros),
        *create_files(folder, {SETTINGS_FILE: SETTINGS.encode()}),
        extend_lines(folder, ".gitignore", STATE_IGNORED),
    )


def _macro_paths(settings: Mapping[str, Any]) -> tuple[str, ...]:
    value = settings.get("macro-paths", ["macros"])
    paths = tuple(path for path in value if isinstance(path, str)) if isinstance(value, list) else ()
    if not paths:
        hint = "add `macro-paths: [macros]`, or leave our macros out: --no-macros"
        raise UsageError("expected a list with at least one folder", where=f"{FILE_NAME}: macro-paths", hint=hint)
    return paths


def _has_package(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the project installs our macros as a dbt package, or has done so."""
    installed = settings.get("packages-install-path")
    if (folder / (installed if isinstance(installed, str) else "dbt_packages") / PACKAGE / FILE_NAME).is_file():
        return True
    lists = [folder / name for name in ("packages.yml", "dependencies.yml")]
    return any(path.is_file() and _MENTION.search(path.read_text(errors="replace")) for path in lists)


def _macros_to_write(folder: Path, paths: tuple[str, ...]) -> tuple[dict[str, bytes], tuple[Written, ...]]:
    """Choose the macro files that are missing; a set that differs from ours is another version, and kept whole.

    Raises:
        UsageError: a macro of the project has the name of one of ours.
    """
    ours = files_below(shipped().macros)
    places = [f"{path.rstrip('/')}/{PACKAGE}" for path in paths]
    place = next((place for place in places if (folder / place).is_dir()), places[0])
    _refuse_equal_names(folder, [folder / path for path in paths], ours, besides=folder / place)
    if any((folder / place / path).read_bytes() != ours[path] for path in ours if (folder / place / path).is_file()):
        note = f"another version than this one's; to have these, delete {place} and run it again"
        return {}, (Written(path=place, outcome="kept", note=note),)
    return {f"{place}/{path}": content for path, content in ours.items()}, ()


def _refuse_equal_names(folder: Path, paths: list[Path], ours: Mapping[str, bytes], *, besides: Path) -> None:
    names = frozenset[str]().union(*(defined_macros(content.decode()) for content in ours.values()))
    clashes: dict[str, str] = {}
    for path in (*paths, folder / "tests" / "generic"):
        for file in sorted(path.rglob("*.sql")):
            if not file.is_relative_to(besides):
                found = defined_macros(file.read_text(encoding="utf-8", errors="replace")) & names
                clashes.update({name: shown_path(file) for name in sorted(found)})
    if clashes:
        listed = ", ".join(f"{name} ({place})" for name, place in clashes.items())
        hint = "rename them, or leave our macros out (--no-macros) and install them as a dbt package"
        raise UsageError(f"the project has macros of the same names as ours: {listed}", hint=hint)
