"""Where a file source's files are: below the repository they hang on one variable, so that the project can move."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.scaffold.feast.escape import in_jinja

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.scaffold.feast.objects import FeastSource

REPOSITORY_VARIABLE = "FEAST_REPO"
"""Of the environment: where the Feast repository is, if not where it was when it was imported."""
_URI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_FUNCTIONS = {
    "": "read_parquet",
    "parquet": "read_parquet",
    "parquetformat": "read_parquet",
    "delta": "delta_scan",
    "deltaformat": "delta_scan",
    "csv": "read_csv",
    "json": "read_json",
}
_SPARK_FORMATS = {
    "": "parquet", "parquetformat": "parquet", "deltaformat": "delta",
    **{name: name for name in ("parquet", "delta", "csv", "json", "orc", "text", "avro")},
}  # fmt: skip
_WHOLE_FOLDER = "/**/*.parquet"


def is_remote(source: FeastSource) -> bool:
    """Whether the files are somewhere else than on this machine's disks."""
    return _URI.match(source.path) is not None and not source.path.startswith("file://")


def duckdb_location(source: FeastSource, repository: Path) -> str | None:
    """Write the table function that reads the files, for dbt-duckdb's ``external_location``.

    dbt renders it with Jinja, and dbt-duckdb by ``str.format`` after; None for a format that DuckDB does not read.
    """
    function = _FUNCTIONS.get(_format(source))
    if function is None:
        return None

    def quoted(text: str) -> str:
        return text.replace("'", "''").replace("{", "{{").replace("}", "}}")

    path = _path(source, repository, quoted, is_glob=function != "delta_scan")
    return f"{function}('{path}')"


def spark_relation(source: FeastSource, repository: Path) -> str | None:
    """Write the files as Spark's SQL names them, ``parquet.`path```; None for a format that has no such name."""
    word = _SPARK_FORMATS.get(_format(source))
    if word is None:
        return None
    return f"{word}.`{_path(source, repository, lambda text: text.replace('`', '``'), is_glob=False)}`"


def column_types(source: FeastSource, repository: Path) -> dict[str, str]:
    """Read what types the columns of a local Parquet file have, in Arrow's words; nothing where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if is_remote(source) or _FUNCTIONS.get(_format(source)) != "read_parquet":
        return {}
    path = _full(source, repository)
    try:
        first = min(path.rglob("*.parquet")) if path.is_dir() else path
        schema = pq.read_schema(first)
    except (OSError, ValueError, pa.ArrowException):
        return {}
    return {column.name: str(column.type) for column in schema if not column.name.startswith("__index_level_")}


def _full(source: FeastSource, repository: Path) -> Path:
    return Path(os.path.normpath(repository / source.path.removeprefix("file://")))


def _format(source: FeastSource) -> str:
    return (source.file_format or source.reader_type).lower()


def _path(source: FeastSource, repository: Path, quoted: Callable[[str], str], *, is_glob: bool) -> str:
    """The path in a template: literal, but for the repository's folder, which is a variable with a default."""
    if is_remote(source):
        return in_jinja(quoted(source.path))
    full = _full(source, repository)
    folder = _WHOLE_FOLDER if is_glob and full.is_dir() else ""
    if not full.is_relative_to(repository) or full == repository:
        return in_jinja(quoted(_literal(full.as_posix(), is_glob=is_glob)) + folder)
    default = json.dumps(quoted(_literal(repository.as_posix(), is_glob=is_glob)), ensure_ascii=False)
    inside = quoted(_literal(full.relative_to(repository).as_posix(), is_glob=is_glob))
    return f"{{{{ env_var('{REPOSITORY_VARIABLE}', {default}) }}}}/{in_jinja(inside + folder)}"


def _literal(path: str, *, is_glob: bool) -> str:
    """A path whose ``* ? [`` mean themselves to DuckDB."""
    return re.sub(r"([*?\[])", r"[\1]", path) if is_glob else path
