"""Snowflake through its own connector: results as Arrow, examples as a Parquet file put on a stage and copied.

The session's time zone is UTC and a bare TIMESTAMP is naive; columns are called as the catalog calls them.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.views import Column
from featurestore.errors import QueryError
from featurestore.warehouse.arrow_columns import plain
from featurestore.warehouse.names import RelationName, literal, quoted, relation_name
from featurestore.warehouse.snowflake.errors import refused
from featurestore.warehouse.snowflake.types import arrow_type, as_typed, canonical_type, column_type, result_type
from featurestore.warehouse.table_columns import columns_before, with_partition
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from featurestore.warehouse.protocol import Ability, TableWrite
    from featurestore.warehouse.snowflake.connector import Connection, Cursor

Result = TypeVar("Result")

_DIALECT = "snowflake"
_STAGE = '"__featurestore"'


class SnowflakeWarehouse:
    """One open session. See `featurestore.warehouse.protocol.Warehouse`."""

    dialect = _DIALECT
    lacks: frozenset[Ability] = frozenset()

    def __init__(self, connection: Connection) -> None:
        import snowflake.connector

        self._refusals = snowflake.connector.errors.Error
        self._connection = connection
        self._cursor: Cursor | None = None
        self._worker = Worker("snowflake", self._cancel)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT) for relation in relations}
        if not names:
            return {}
        parts = [_catalog_query(database, names.values()) for database in {name.database for name in names.values()}]
        query = " UNION ".join(sorted(parts))
        rows = self._rows(f"SELECT * FROM ({query}) ORDER BY 1, 2, 3, 4")
        found: dict[tuple[object, ...], list[Column]] = {}
        for database, schema, table, _, name, kind, precision, scale in rows:
            digits = None if precision is None else int(str(precision))
            made = canonical_type(str(kind), digits, None if scale is None else int(str(scale)))
            found.setdefault((database, schema, table), []).append(Column(name=str(name), type=made))
        matched = {relation: _found(name, found) for relation, name in names.items()}
        return {relation: tuple(columns) for relation, columns in matched.items() if columns}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is compiled, not run."""
        described = self._run(lambda: self._connection.cursor().describe(sql))
        return tuple(Column(name=column.name, type=result_type(column)) for column in described)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: it has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Put an Arrow table on a stage as Parquet, and copy it into the temporary table `name`."""
        table = plain(table)
        as_name = quoted(name, _DIALECT)
        types = {field.name: column_type(field) for field in table.schema}
        columns = ", ".join(f"{quoted(column, _DIALECT)} {kind}" for column, kind in types.items())
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {as_name} ({columns})")
        if not table.num_rows:
            return
        values = ", ".join(f"$1:{quoted(column, _DIALECT)}::{kind}" for column, kind in types.items())
        self.execute(f"CREATE OR REPLACE TEMPORARY STAGE {_STAGE}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "examples.parquet"
            pq.write_table(table, path)
            self.execute(f"PUT '{path.as_uri()}' @{_STAGE} AUTO_COMPRESS = FALSE")
        self.execute(
            f"COPY INTO {as_name} FROM (SELECT {values} FROM @{_STAGE}) "
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)"
        )

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the account does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._run(lambda: self._connection.cursor().execute(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows."""
        cursor = self._cursor = self._connection.cursor()
        self._run(lambda: cursor.execute(sql))
        schema = pa.schema([pa.field(column.name, arrow_type(column)) for column in cursor.description])
        return pa.RecordBatchReader.from_batches(schema, self._batches(cursor, schema, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the work is not done in this process."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._cancel()
        if self._cursor is not None:
            self._worker.leave(self._cursor.close)

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` in one atomic statement, or one transaction to append."""
        sql = with_partition(table, sql, _DIALECT)
        known = columns_before(self, table)
        for statement in statements:
            self.execute(statement)
        if known and table.mode == "append":
            return self._append(table, known, sql)
        self.execute(
            f"CREATE OR REPLACE TABLE {table.relation} COPY GRANTS AS {sql}"
            if table.mode == "replace"
            else f"CREATE TABLE {table.relation} AS {sql}"
        )
        return self._count(table.relation)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """End the session; its temporary tables and stages go with it."""
        self._worker.close()
        with suppress(self._refusals):
            self._connection.close()

    def _append(self, table: TableWrite, known: Sequence[Column], sql: str) -> int:
        """Compute first, since a CREATE ends a transaction; then delete and insert in one."""
        made = quoted("__new rows", _DIALECT)
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {made} AS {sql}")
        columns = ", ".join(quoted(column.name, _DIALECT) for column in self.schema(f"SELECT * FROM {made}"))
        changes = [f"INSERT INTO {table.relation} ({columns}) SELECT {columns} FROM {made}"]
        if table.partition is not None:
            name, value = table.partition
            column = next((column.name for column in known if column.name.casefold() == name.casefold()), None)
            if column is None:
                raise QueryError(f"the table {table.relation} has no column '{name}' to be a partition")
            same = f"{quoted(column, _DIALECT)} = {literal(value, _DIALECT)}"
            changes.insert(0, f"DELETE FROM {table.relation} WHERE {same}")
        self.execute("BEGIN TRANSACTION")
        try:
            for change in changes:
                self.execute(change)
            self.execute("COMMIT")
        except BaseException:
            with suppress(QueryError):
                self.execute("ROLLBACK")
            raise
        return self._count(made)

    def _count(self, relation: str) -> int:
        ((rows,),) = self._rows(f"SELECT COUNT(*) FROM {relation}")
        return int(str(rows))

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        def work() -> list[tuple[object, ...]]:
            cursor = self._connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()

        return self._run(work)

    def _batches(self, cursor: Cursor, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        parts = self._run(cursor.fetch_arrow_batches)
        while (part := self._run(lambda: next(parts, None))) is not None:
            yield from as_typed(part, schema).to_batches(max_chunksize=rows)

    def _cancel(self) -> None:
        """Stop all queries of this session, over the session itself: it takes several at a time."""
        with suppress(self._refusals):
            cursor = self._connection.cursor()
            cursor.execute("SELECT CURRENT_SESSION()")
            ((session,),) = cursor.fetchall()
            cursor.execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({int(str(session))})")

    def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return self._worker.run(work)
        except self._refusals as error:
            raise refused(error) from error


def _catalog_query(database: str | None, names: Iterable[RelationName]) -> str:
    """Columns of the tables that lie in one database, the session's own if it is not named."""
    wanted = ", ".join(
        sorted(
            f"({_or_current(name.schema, 'SCHEMA')}, {literal(name.name, _DIALECT)})"
            for name in names
            if name.database == database
        )
    )
    place = "information_schema" if database is None else f"{quoted(database, _DIALECT)}.information_schema"
    return (
        "SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type, numeric_precision, "
        f"numeric_scale FROM {place}.columns WHERE (table_schema, table_name) IN ({wanted})"
    )


def _or_current(name: str | None, kind: str) -> str:
    return f"CURRENT_{kind}()" if name is None else literal(name, _DIALECT)


def _found(name: RelationName, found: Mapping[tuple[object, ...], list[Column]]) -> list[Column]:
    """Columns of the relation; where its name leaves a part out, only the session's own was asked for."""
    for (database, schema, table), columns in found.items():
        if table == name.name and name.schema in (None, schema) and name.database in (None, database):
            return columns
    return []
