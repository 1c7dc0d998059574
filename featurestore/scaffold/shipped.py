"""The files that come with this package: the dbt macros, the example shop, its profiles.

In an installed wheel they lie in the package's ``dbt`` folder, in a checkout at the root of the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE_BY_DBT = frozenset(("target", "logs", "dbt_packages", "package-lock.yml", ".user.yml", ".featurestore"))
_DATABASES = (".duckdb", ".duckdb.wal")
_DEFINITION = re.compile(r"\{%-?\s*(macro|test)\s+(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Folders of the files that we ship.

    Attributes:
        macros: of the dbt macros and generic tests.
        example: of the example dbt project.
        profiles: of its profiles.yml.
    """

    macros: Path
    example: Path
    profiles: Path


def shipped() -> Shipped:
    """Find the files that came with this installation."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "dbt"
    if installed.is_dir():
        return Shipped(macros=installed / "macros", example=installed / "example", profiles=installed / "profiles")
    root = package.parent
    assert (root / "macros").is_dir(), f"neither a wheel nor a checkout: {package}"
    return Shipped(macros=root / "macros", example=root / "dbt_project", profiles=root / "profiles")


def files_below(folder: Path) -> dict[str, bytes]:
    """Read a shipped folder: contents by relative path, without what dbt builds there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _sources(folder)}


def defined_macros(text: str) -> frozenset[str]:
    """Names under which dbt keeps the macros of a file; the generic test `x` is the macro ``test_x``."""
    return frozenset(f"test_{name}" if kind == "test" else name for kind, name in _DEFINITION.findall(text))


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in MADE_BY_DBT or path.name.endswith(_DATABASES):
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path
