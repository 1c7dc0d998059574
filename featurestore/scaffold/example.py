"""The example shop as a project of its own, with the macros in it: ``dbt build`` needs no package and no network.

As a package the macros are called ``featurestore.training_set`` and so on; as the project's own they have no prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.scaffold.files import Written, create_files, extend_lines
from featurestore.scaffold.shipped import defined_macros, files_below, shipped
from featurestore.scaffold.texts import EXAMPLE_IGNORED, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILE = "dbt_project.yml"
PROFILES_FILE = "profiles.yml"
VENDORED = "macros/featurestore"
_PACKAGES_FILE = "packages.yml"
_TEXTS = (".sql", ".yml", ".md")


def example_files() -> dict[str, bytes]:
    """Return the example project's files by path; `dbt_project.yml` last, so that a half-written one is no project."""
    found = shipped()
    macros = files_below(found.macros)
    contents = {f"{VENDORED}/{path}": content for path, content in macros.items()}
    own_names = _unprefixed(macros)
    for path, content in files_below(found.example).items():
        if path not in {PROJECT_FILE, SETTINGS_FILE, _PACKAGES_FILE}:
            contents[path] = own_names.sub(rb"\1", content) if path.endswith(_TEXTS) else content
    contents[PROFILES_FILE] = (found.profiles / PROFILES_FILE).read_bytes()
    contents[SETTINGS_FILE] = SETTINGS.encode()
    contents[PROJECT_FILE] = (found.example / PROJECT_FILE).read_bytes()
    return contents


def write_example(folder: Path) -> tuple[Written, ...]:
    """Write the example project into a folder; returns one outcome per file. Raises as `create_files`."""
    return (extend_lines(folder, ".gitignore", EXAMPLE_IGNORED), *create_files(folder, example_files()))


def _unprefixed(macros: dict[str, bytes]) -> re.Pattern[bytes]:
    """The pattern of our macros and generic tests with the package's name in front; its group is the bare name."""
    defined = frozenset[str]().union(*(defined_macros(content.decode()) for content in macros.values()))
    names = "|".join(sorted({name.removeprefix("test_") for name in defined}, key=len, reverse=True))
    return re.compile(rf"\bfeaturestore\.({names})\b".encode())
