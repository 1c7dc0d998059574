"""The whole import: read the repository in a child, write files in memory, then onto disk, all or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.errors import UsageError
from featurestore.manifest.dbt_project import FILE_NAME
from featurestore.manifest.paths import shown_path
from featurestore.manifest.yaml_file import read_yaml
from featurestore.scaffold.feast.child import Limits, find_feast_python, run_reader
from featurestore.scaffold.feast.convert import convert
from featurestore.scaffold.feast.notes import Note
from featurestore.scaffold.feast.objects import read_objects
from featurestore.scaffold.feast.project import adapter_of_project, new_project_files, settings_file
from featurestore.scaffold.feast.report import REPORT, report_text
from featurestore.scaffold.feast.settings import find_repository, read_settings
from featurestore.scaffold.files import Change, extend_lines, write_together
from featurestore.scaffold.texts import EXAMPLE_IGNORED, STATE_IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.scaffold.feast.convert import Converted
    from featurestore.scaffold.feast.notes import Made
    from featurestore.scaffold.feast.settings import StoreSettings
    from featurestore.scaffold.files import Written

_RESOURCES = (".sql", ".csv", ".py")
_PATHS = {"model-paths": ["models"], "seed-paths": ["seeds"], "snapshot-paths": ["snapshots"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes:
        project: Feast's name of the project.
        feast: Feast's version.
        adapter: dbt's, for which files were written.
        folder: of the dbt project.
        files: one outcome per file.
        made, notes: what was made, and what has no equal.
    """

    project: str
    feast: str
    adapter: str
    folder: Path
    files: tuple[Written, ...]
    made: tuple[Made, ...]
    notes: tuple[Note, ...]

    @property
    def is_changed(self) -> bool:
        """Whether any file was written."""
        return any(written.outcome != "kept" for written in self.files)


def import_feast(
    repository: Path,
    output: Path,
    *,
    feast_python: str | None,
    environ: Mapping[str, str],
    limits: Limits | None = None,
) -> Imported:
    """Bring a Feast repository into a dbt project.

    Args:
        repository: folder of `feature_store.yaml`, or the one above it.
        output: folder of the dbt project; one is made where there is none.
        feast_python: the interpreter that has Feast; else as `find_feast_python` finds it.
        environ: environment variables.
        limits: of the child that reads; the usual ones if None.

    Raises:
        UsageError: no repository, no Python with Feast, or files that say something else; nothing was written.
        OperationError: the repository cannot be read, or a file cannot be written.
    """
    settings = read_settings(find_repository(repository))
    python = find_feast_python(feast_python, environ)
    answer = run_reader(python, settings.folder, environ, limits or Limits())
    return write_import(answer, settings, output, environ=environ)


def write_import(answer: bytes, settings: StoreSettings, output: Path, *, environ: Mapping[str, str]) -> Imported:
    """Write what the reader told into a dbt project. Raises as `import_feast`."""
    found = read_objects(answer)
    adapter = adapter_of_project(output, environ, settings.adapter)
    paths = _resource_paths(output)
    made = convert(found, settings, adapter, paths["model-paths"][0])
    _refuse_equal_names(output, paths, made)
    wanted, notes = dict(made.settings), list(made.notes)
    if _has_another_store(output, wanted.get("online_store")):
        what = "featurestore.yml names another one already, which stays"
        notes.append(
            Note(kind="online store", name=str(wanted.pop("online_store")), what=what, hint="nothing, or edit it")
        )
    before, after = settings_file(output, wanted)
    report = report_text(project=settings.project, feast=found.feast, adapter=adapter, made=made.made, notes=notes)
    changes = [Change(path=path, after=content) for path, content in made.files.items()]
    around = new_project_files(output, settings, adapter)
    changes += [
        Change(path=SETTINGS_FILE, before=before, after=after),
        Change(path=REPORT, after=report.encode()),
        *(Change(path=path, after=content) for path, content in around.items()),
    ]
    files = write_together(output, changes)
    ignored = extend_lines(output, ".gitignore", EXAMPLE_IGNORED if around else STATE_IGNORED)
    return Imported(
        project=settings.project,
        feast=found.feast,
        adapter=adapter,
        folder=output,
        files=(*files, ignored),
        made=made.made,
        notes=tuple(notes),
    )


def _has_another_store(output: Path, uri: object) -> bool:
    path = output / SETTINGS_FILE
    return uri is not None and path.is_file() and read_yaml(path).get("online_store", uri) != uri


def _resource_paths(output: Path) -> dict[str, list[str]]:
    """The project's folders of models, seeds and snapshots; dbt's usual ones where it does not say."""
    path = output / FILE_NAME
    values = read_yaml(path, unique_keys=False) if path.is_file() else {}
    found = {}
    for key, usual in _PATHS.items():
        said = values.get(key)
        texts = [each for each in said if isinstance(each, str) and each] if isinstance(said, list) else []
        found[key] = texts or usual
    return found


def _refuse_equal_names(output: Path, paths: Mapping[str, Iterable[str]], made: Converted) -> None:
    """Refuse models that the project has under another path: dbt takes a name once."""
    ours = {name.casefold() for name in made.models}
    clashes = [
        shown_path(file)
        for folder in dict.fromkeys(each for key in paths for each in paths[key])
        for file in sorted((output / folder).rglob("*"))
        if file.suffix in _RESOURCES
        and file.stem.casefold() in ours
        and file.relative_to(output).as_posix() not in made.files
    ]
    if clashes:
        what = f"the project has models of the same names as views: {', '.join(clashes)}"
        raise UsageError(what, hint="rename these models, or import into another folder: --output")
