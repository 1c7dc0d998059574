"""One DuckDB connection, worked from a thread of its own.

Works with DuckDB 1.4, 1.5 and 2.0, whose connections allow one open result at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.warehouse.duckdb.errors import refused
from featurestore.warehouse.duckdb.names import literal, quoted
from featurestore.warehouse.duckdb.write import append, write
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from featurestore.warehouse.protocol import Ability, TableWrite

Result = TypeVar("Result")

_FILE_READERS = {
    **dict.fromkeys((".csv", ".tsv"), "read_csv_auto"),
    **dict.fromkeys((".jsonl", ".ndjson"), "read_ndjson_auto"),
    ".parquet": "read_parquet",
}


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
        self._worker = Worker("duckdb", connection.interrupt)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        wanted = set(relations)
        rows = self._fetch(
            "SELECT database_name, schema_name, table_name, list(column_name ORDER BY column_index) AS names, "
            "list(data_type ORDER BY column_index) AS types FROM duckdb_columns() WHERE NOT internal GROUP BY ALL"
        )
        found: dict[str, tuple[Column, ...]] = {}
        for *place, names, types in rows:
            relation = ".".join(quoted(str(part)) for part in place)
            if relation in wanted:
                assert isinstance(names, list)
                assert isinstance(types, list)
                found[relation] = tuple(self._column(name, kind) for name, kind in zip(names, types, strict=True))
        return found

    def _column(self, name: str, data_type: str) -> Column:
        return Column(name=name, type=parse_type(data_type, dialect=self.dialect))

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
        return None if reader is None else f"SELECT * FROM {reader}({literal(str(path))})"

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
            self._worker.leave(self._reader.close)

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql`, all or none (`write`); returns how many."""
        return write(self, table, statements, sql)

    def append(self, relation: str, rows: pa.Table, *, known_by: Sequence[str] = ()) -> int:
        """Add rows of this process, all or none (`warehouse.protocol.TakesRows`); returns how many."""
        return append(self, relation, rows, known_by)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """Close the connection."""
        self._worker.close()
        self._connection.close()

    def _fetch(self, sql: str) -> list[tuple[object, ...]]:
        return self._run(lambda: self._connection.execute(sql).fetchall())

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Pull batches; a query runs while they are pulled, so this is where it may fail."""
        while (batch := self._run(lambda: next(reader, None))) is not None:
            yield batch

    def _run(self, work: Callable[[], Result]) -> Result:
        """Work in a thread of its own: Ctrl-C does not reach a thread that is inside DuckDB."""
        try:
            return self._worker.run(work)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise refused(error) from error
