"""From a folder to a project: an empty one becomes the example, a dbt project gets what it lacks, others refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featurestore.errors import UsageError
from featurestore.manifest.paths import shown_path
from featurestore.scaffold.example import PROJECT_FILE, write_example
from featurestore.scaffold.existing import add_to_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from featurestore.scaffold.files import Outcome, Written

Kind = Literal["example", "existing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffolded:
    """What was done to a folder.

    Attributes:
        kind: ``example``, a new project, or ``existing``, one that was there.
        folder: as it was named.
        files: one outcome per file.
    """

    kind: Kind
    folder: Path
    files: tuple[Written, ...]

    def paths(self, outcome: Outcome) -> tuple[str, ...]:
        """Paths of the files with this outcome."""
        return tuple(written.path for written in self.files if written.outcome == outcome)


def scaffold(folder: Path, *, environ: Mapping[str, str], with_macros: bool = True) -> Scaffolded:
    """Make the example project in an empty folder, or add the feature store to a dbt project.

    Args:
        folder: made if it is missing; hidden files do not make it full.
        environ: environment variables.
        with_macros: False leaves the macros out of a project that was there; the example needs them.

    Raises:
        UsageError: the folder holds something else, or `add_to_project` refuses; nothing was written.
        OperationError: a file cannot be written.
    """
    if (folder / PROJECT_FILE).is_file():
        files = add_to_project(folder, environ=environ, with_macros=with_macros)
        return Scaffolded(kind="existing", folder=folder, files=files)
    _require_empty(folder)
    return Scaffolded(kind="example", folder=folder, files=write_example(folder))


def _require_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError("expected a folder, got a file", where=shown_path(folder), hint="name another place")
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []
    if found:
        named = f"{', '.join(found[:3])}{', ...' if len(found) > 3 else ''}"
        what = f"neither empty nor a dbt project: no {PROJECT_FILE}, but {named}"
        hint = "name a dbt project's folder, or a new one for the example: featurestore init NEW_DIR"
        raise UsageError(what, where=shown_path(folder), hint=hint)
