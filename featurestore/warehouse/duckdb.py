"""DuckDB: opened short and read-only, so that dbt and other readers keep working.

A file that another process writes is locked for everybody; opening waits a little and then names the process.
Works with DuckDB 1.4, 1.5 and 2.0, whose connections allow one open result at a time.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import FeatureStoreError, QueryError, UsageError, WarehouseError, without_secrets
from featurestore.warehouse.duckdb_tables import write
from featurestore.warehouse.waiting import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from featurestore.warehouse.protocol import Ability, TableWrite

Result = TypeVar("Result")

LOCK_TIMEOUT_S = 20.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
HOLDER = re.compile(r"held in (?:(?P<program>.+?) \()?PID (?P<pid>\d+)")
_TAKEN = re.compile(r"already exists|Existing object")
_MEMORY = ":memory:"
_SPILL_FOLDER = "temp_directory"
_MEMORY_HINT = "raise memory_limit, or give temp_directory a disk with room: `settings` of the target in profiles.yml"
_FAR = re.compile(r"^IO Error: [^\n]*\bHTTP\b|^HTTP Error|the required extension")
_FAR_HINT = (
    "is the network there, the extension installed, and are credentials in `settings` of the target? Else copy it here"
)
_FILE_READERS = {
    **dict.fromkeys((".csv", ".tsv"), "read_csv_auto"),
    **dict.fromkeys((".jsonl", ".ndjson"), "read_ndjson_auto"),
    ".parquet": "read_parquet",
}


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,
    read_only: bool = True,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> DuckDBWarehouse:
    """Open the database of a dbt-duckdb target.

    Args:
        settings: the target's block of `profiles.yml`: path, settings, extensions, attach.
        base_dir: folder that a relative path starts from (the dbt project).
        read_only: refuse writes to the file; temporary tables work all the same.
        lock_timeout_s: how long to wait for another process to let go of the file, seconds.

    Raises:
        WarehouseError: no such file, no DuckDB file, or locked for longer than that.
        UsageError: the target lives in memory, where nothing that dbt built can be read.
    """
    location = str(settings.get("path") or _MEMORY)
    if location.startswith(_MEMORY):
        raise UsageError(
            "the dbt target's DuckDB database is in memory, so nothing that dbt built can be read",
            where="profiles.yml: path",
            hint="give the target a file, e.g. path: shop.duckdb",
        )
    is_remote = ":" in location and not Path(location).drive
    path = location if is_remote else str((base_dir / location).resolve())
    if not is_remote and not Path(path).exists():
        raise WarehouseError(f"no DuckDB file at {path}", hint="run `dbt build` first")
    connection = _connect(path, read_only=read_only, lock_timeout_s=lock_timeout_s)
    try:
        _configure(connection, settings, base_dir)
    except duckdb.Error as error:
        connection.close()
        raise WarehouseError(
            f"the target's settings were refused: {without_secrets(_first_paragraph(error))}",
            where="profiles.yml",
            hint="correct `settings`, `extensions` or `attach` of the target",
        ) from None
    own_settings = settings.get("settings")
    return DuckDBWarehouse(
        connection,
        has_own_limit=isinstance(own_settings, dict) and bool({"memory_limit", "max_memory"} & set(own_settings)),
    )


def _connect(path: str, *, read_only: bool, lock_timeout_s: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + lock_timeout_s
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.ConnectionException:
            return _share(path, read_only=read_only)
        except duckdb.Error as error:
            holder = HOLDER.search(str(error))
            if holder is None:
                raise WarehouseError(f"cannot open {path}: {_first_paragraph(error)}") from error
            if time.monotonic() + pause > deadline:
                raise WarehouseError(
                    f"{path} is in use by PID {holder['pid']} ({holder['program'] or 'of another user'})",
                    hint="wait until it is done (is `dbt run` going, or a notebook open?) and try again",
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _share(path: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Join a connection of this process, which has the file open with the other setting."""
    try:
        return duckdb.connect(path, read_only=not read_only)
    except duckdb.Error as error:
        raise WarehouseError(
            f"this process has {path} open with settings of its own: {_first_paragraph(error)}",
            hint="close that connection, or open it without config",
        ) from error


def _configure(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, object], base_dir: Path) -> None:
    extensions = settings.get("extensions")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, str):
            connection.load_extension(extension)
    options = settings.get("settings")
    for name, value in options.items() if isinstance(options, dict) else ():
        if name == _SPILL_FOLDER and ":" not in str(value):
            value = (base_dir / str(value)).resolve()  # noqa: PLW2901  a path starts from the project
        connection.execute(f"SET {_quoted(str(name))} = {_literal(str(value))}")
    attached = settings.get("attach")
    for entry in attached if isinstance(attached, list) else []:
        _attach(connection, entry, base_dir)
    # What an example sees must not hang on a session's settings (SEMANTICS P4, P14).
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # in a shell it would write among the results
    connection.execute("SET default_null_order = 'nulls_last'")
    connection.execute("SET default_order = 'asc'")


def _attach(connection: duckdb.DuckDBPyConnection, entry: object, base_dir: Path) -> None:
    if not isinstance(entry, dict) or "path" not in entry:
        return
    path = str(entry["path"])
    location = path if ":" in path else str((base_dir / path).resolve())
    options = ["READ_ONLY"]
    if "type" in entry:
        options.append(f"TYPE {_quoted(str(entry['type']))}")
    named = f" AS {_quoted(str(entry['alias']))}" if "alias" in entry else ""
    connection.execute(f"ATTACH {_literal(location)}{named} ({', '.join(options)})")


class DuckDBWarehouse:
    """One DuckDB connection; one result is open at a time.

    Raises QueryError from every method when DuckDB refuses a statement.
    """

    dialect = "duckdb"
    lacks: frozenset[Ability] = frozenset({"files"})

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, has_own_limit: bool = False) -> None:
        self._connection = connection
        self._has_own_limit = has_own_limit
        self._reader: pa.RecordBatchReader | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duckdb")

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        wanted = set(relations)
        rows = self._fetch(
            "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY database_name, schema_name, table_name, column_index"
        )
        found: dict[str, list[Column]] = {}
        for database, schema, table, name, data_type in rows:
            relation = ".".join(_quoted(str(part)) for part in (database, schema, table))
            column = Column(name=str(name), type=parse_type(str(data_type), dialect=self.dialect))
            found.setdefault(relation, []).append(column)
        return {relation: tuple(columns) for relation, columns in found.items() if relation in wanted}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is bound, not run."""
        rows = self._fetch(f"DESCRIBE {sql}")
        return tuple(Column(name=str(row[0]), type=parse_type(str(row[1]), dialect=self.dialect)) for row in rows)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: DuckDB's indexes do not serve ranges."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable as `name`, without copying it."""
        self._run(lambda: self._connection.register(name, table))

    def scan(self, path: Path) -> str | None:
        """The SELECT that reads a file, by its ending."""
        reader = _FILE_READERS.get(path.suffix.lower())
        return None if reader is None else f"SELECT * FROM {reader}({_literal(str(path))})"

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._run(lambda: self._connection.execute(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows; read it to the end before the next statement."""
        self._reader = reader = self._run(lambda: self._connection.sql(sql).arrow(batch_rows))
        return pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader))

    def limit_memory(self, size_bytes: int) -> None:
        """Keep DuckDB's buffers under this; what does not fit is spilled to disk."""
        if not self._has_own_limit:
            self.execute(f"SET memory_limit = '{size_bytes} bytes'")

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._connection.interrupt()
        if self._reader is not None:
            self._worker.submit(self._reader.close)

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql`, all or none (`duckdb_tables`); returns how many."""
        return write(self, table, statements, sql)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """Close the connection."""
        self._worker.shutdown()
        self._connection.close()

    def _fetch(self, sql: str) -> list[tuple[object, ...]]:
        return self._run(lambda: self._connection.execute(sql).fetchall())

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Pull batches; a query runs while they are pulled, so this is where it may fail."""
        while (batch := self._run(lambda: next(reader, None))) is not None:
            yield batch

    def _run(self, work: Callable[[], Result]) -> Result:
        """Work in a thread of its own: Ctrl-C does not reach a thread that is inside DuckDB."""
        future = self._worker.submit(work)
        try:
            return result_of(future)
        except KeyboardInterrupt:
            self._connection.interrupt()
            raise
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _refused(error) from error


def _refused(error: Exception) -> FeatureStoreError:
    hint = None
    if _FAR.search(str(error)):
        return WarehouseError(f"DuckDB cannot read what is far: {_first_paragraph(error)}", hint=_FAR_HINT)
    if isinstance(error, duckdb.CatalogException) and "does not exist" in str(error):
        hint = "run dbt build, if this is a table of dbt's"
    elif isinstance(error, duckdb.CatalogException) and _TAKEN.search(str(error)):
        hint = "choose another name, or drop it first"
    elif isinstance(error, duckdb.BinderException):
        hint = "has a feature view's table lost a column? run dbt build, then featurestore plan"
    elif isinstance(error, duckdb.ConversionException):
        hint = "correct the value, or cast the column where the spine or the model is made, e.g. with try_cast"
    elif isinstance(error, duckdb.OutOfMemoryException) or "Failed to create directory" in str(error):
        hint = _MEMORY_HINT
    return QueryError(f"DuckDB refused a statement: {_first_paragraph(error)}", hint=hint)


def _first_paragraph(error: Exception) -> str:
    """What DuckDB says up to the first empty line; below stand the statement, or all settings of a CSV reader."""
    return " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
