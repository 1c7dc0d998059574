"""Examples in files: one file, all that a pattern matches, or all of a folder, partitions in its names included.

Files of one kind and one schema are one set of examples; anything else is refused by name before a row is read.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import SpineError, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from featurestore.warehouse.protocol import Warehouse

_JSON = (".jsonl", ".ndjson")
SUFFIXES = (".parquet", ".csv", ".tsv", *_JSON)
_URI = re.compile(r"^\s*(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://\S+\s*$")
_HIDDEN = (".", "_")
_SQL_READERS = {
    ("duckdb", ".parquet"): "SELECT * FROM read_parquet({})",
    ("duckdb", ".csv"): "SELECT * FROM read_csv_auto({})",
    ("duckdb", ".jsonl"): "SELECT * FROM read_ndjson_auto({})",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files that together hold the examples.

    Attributes:
        paths: each, sorted; at least one.
        suffix: the ending of all of them, in lower case.
        pattern: what a warehouse that reads patterns is given, if it means the same files; else None.
        root: the folder that partitions such as ``day=2026-06-01`` start from; None for a single file.
    """

    paths: tuple[Path, ...]
    suffix: str
    pattern: Path | None
    root: Path | None = None


def uri_scheme(given: object) -> str | None:
    """The scheme of ``scheme://...``, None for anything else."""
    match = _URI.match(given) if isinstance(given, str) else None
    return match["scheme"].lower() if match is not None else None


def find_files(given: str | Path) -> Files:
    """Find the files that a path, a pattern or a folder means.

    Raises:
        SpineError: nothing is there, or files of several kinds, or of one that holds no examples.
    """
    path = Path(given)
    if path.is_file():
        pattern = None if has_magic(str(path)) else path.resolve()
        return Files(paths=(path,), suffix=_suffix([path], path), pattern=pattern)
    if path.is_dir():
        return _in_folder(path)
    if not has_magic(str(path)):
        hint = "check the path; it starts from the current folder"
        kind = "file" if path.suffix.lower() in SUFFIXES else "file or folder"
        raise SpineError(f"no {kind} at {given}", where="spine", hint=hint)
    fixed = next(n for n, part in enumerate(path.parts) if has_magic(part))
    root, wanted = Path(*path.parts[:fixed]), "/".join(path.parts[fixed:])
    found = sorted(each for each in root.glob(wanted) if each.is_file() and not _is_hidden(each, root))
    if not found:
        hint = "check the pattern; it starts from the current folder, and ** means folders in folders"
        raise SpineError(f"no file matches {given}", where="spine", hint=hint)
    return Files(paths=tuple(found), suffix=_suffix(found, path), pattern=_same(root, wanted, found), root=root)


def scan_files(files: Files, warehouse: Callable[[], Warehouse]) -> str | None:
    """The SELECT with which the warehouse itself reads them; None if it cannot, so that they are uploaded.

    Raises:
        SpineError: files of several schemas.
    """
    _refuse_mixed(files)
    if files.pattern is None or (files.suffix in _JSON and len(files.paths) > 1):
        return None
    return warehouse().scan(files.pattern)


def scan_uri(uri: str, scheme: str, warehouse: Callable[[], Warehouse]) -> str:
    """The SELECT with which the warehouse itself reads what is at a URI.

    Raises:
        SpineError: it is on the web, or this warehouse reads no such files.
    """
    named = without_secrets(uri)
    if scheme in {"http", "https", "ftp"}:
        raise SpineError(
            f"{named} is on the web, and examples are never fetched from there",
            where="spine",
            hint="download it first, e.g. with curl -O, and give the file",
        )
    dialect = warehouse().dialect
    suffix = "." + uri.strip().rpartition(".")[2].lower()
    reader = _SQL_READERS.get((dialect, suffix))
    if reader is None or scheme == "file":
        hint = "give a path" if scheme == "file" else "copy it here and give the file, or make a table of it"
        raise SpineError(f"a {dialect} warehouse does not read {named} as examples", where="spine", hint=hint)
    return reader.format("'" + uri.strip().replace("'", "''") + "'")


def read_files(files: Files) -> pa.Table:
    """Read all rows here; partitions in the names of folders become columns of Parquet, CSV and TSV files.

    Raises:
        SpineError: they cannot be read.
    """
    with _told(files.root or files.paths[0]):
        return _read(files)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise SpineError(f"cannot read {place} as examples: {error}", where="spine", hint="check the files") from error


def _read(files: Files) -> pa.Table:
    import pyarrow as pa
    import pyarrow.dataset as pa_dataset
    import pyarrow.json as pa_json

    if files.suffix in _JSON:
        return pa.concat_tables([pa_json.read_json(path) for path in files.paths], promote_options="permissive")
    formats: dict[str, object] = {".parquet": "parquet", ".csv": "csv"}
    if files.suffix == ".tsv":
        import pyarrow.csv as pa_csv

        formats[".tsv"] = pa_dataset.CsvFileFormat(parse_options=pa_csv.ParseOptions(delimiter="\t"))
    partitioning = pa_dataset.HivePartitioning.discover(infer_dictionary=False)
    return pa_dataset.dataset(
        [str(path.resolve()) for path in files.paths],
        format=formats[files.suffix],
        partitioning=partitioning,
        partition_base_dir=str((files.root or files.paths[0].parent).resolve()),
    ).to_table()


def _in_folder(folder: Path) -> Files:
    inside = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    found = [path for path in inside if path.suffix.lower() in SUFFIXES]
    if not found:
        hint = f"give a folder with files ending in {', '.join(SUFFIXES)}"
        raise SpineError(f"no file with examples in the folder {folder}", where="spine", hint=hint)
    suffix = _suffix(found, folder)
    return Files(paths=tuple(found), suffix=suffix, pattern=_same(folder, f"**/*{suffix}", found), root=folder)


def _is_hidden(path: Path, folder: Path) -> bool:
    """Whether it is a temporary file or a marker, such as ``_SUCCESS``, of the engine that wrote the folder."""
    return any(part.startswith(_HIDDEN) for part in path.relative_to(folder).parts)


def _same(root: Path, pattern: str, found: Sequence[Path]) -> Path | None:
    """The pattern for a warehouse, if every system reads it alike and it means these files; else None."""
    if has_magic(str(root.resolve())) or {path.resolve() for path in root.glob(pattern)} != {
        path.resolve() for path in found
    }:
        return None
    return root.resolve() / pattern


def _suffix(found: Sequence[Path], given: Path) -> str:
    suffixes = sorted({path.suffix.lower() for path in found})
    if len(suffixes) > 1:
        hint = f"give a pattern, e.g. {given if given.is_dir() else given.parent}/*{suffixes[0]}"
        raise SpineError(f"{given} means files of several kinds: {', '.join(suffixes)}", where="spine", hint=hint)
    if suffixes[0] not in SUFFIXES:
        hint = f"give a file ending in {', '.join(SUFFIXES)} or .sql"
        raise SpineError(f"cannot read {found[0]} as examples", where="spine", hint=hint)
    return suffixes[0]


def _refuse_mixed(files: Files) -> None:
    """Refuse files that differ in their columns: what is read would hang on which comes first."""
    if len(files.paths) < 2:
        return
    schema_of = {".parquet": _parquet_schema, ".csv": _csv_columns, ".tsv": _tsv_columns}.get(files.suffix)
    if schema_of is None:
        return  # JSON says its columns row by row, and one that is missing is NULL
    schemas: dict[Path, dict[str, str]] = {}
    for path in files.paths:
        with _told(path):
            schemas[path] = schema_of(path)
    first, *others = files.paths
    expected = schemas[first]
    for path in others:
        got = schemas[path]
        if list(got.items()) == list(expected.items()):
            continue
        name = next((name for name in (*expected, *got) if expected.get(name) != got.get(name)), None)
        what = f"{path} has the columns of {first} in another order"
        if name is not None:
            what = f"{path} has {_column(name, got)}, but {first} has {_column(name, expected)}"
        hint = "give files of one schema, or a SELECT that brings them together"
        raise SpineError(f"files of several schemas: {what}", where="spine", hint=hint)


def _column(name: str, schema: dict[str, str]) -> str:
    if name not in schema:
        return f"no column '{name}'"
    return f"'{name}' {schema[name]}".rstrip()


def _parquet_schema(path: Path) -> dict[str, str]:
    import pyarrow.parquet as pq

    return {field.name: str(field.type) for field in pq.read_schema(path)}


def _csv_columns(path: Path, delimiter: str = ",") -> dict[str, str]:
    """The names in the first line; types are found out from all rows together."""
    import csv

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return dict.fromkeys(next(csv.reader(file, delimiter=delimiter), []), "")


def _tsv_columns(path: Path) -> dict[str, str]:
    return _csv_columns(path, "\t")
