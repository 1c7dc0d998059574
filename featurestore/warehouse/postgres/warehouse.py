"""One connection to Postgres through ADBC: Arrow both ways, by binary COPY.

Work is done in a thread of its own, so that Ctrl-C reaches the caller, who then cancels it in the server.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import adbc_driver_manager
import pyarrow as pa

from featurestore.definitions.views import Column
from featurestore.errors import FeatureStoreError, QueryError
from featurestore.warehouse.postgres.errors import refused
from featurestore.warehouse.postgres.names import (
    ABILITIES,
    NOTICE_THAT_WE_ARE_GONE,
    ROOM,
    columns_query,
    indexes_query,
    literal,
    parts,
    quoted,
)
from featurestore.warehouse.postgres.types import declared_column, exact_batch, exact_select, field_of, uploadable
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.table_columns import refuse_other_columns, with_partition
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from adbc_driver_manager.dbapi import Connection

    from featurestore.warehouse.protocol import Ability

Result = TypeVar("Result")

_ADDED = "__added rows"
_SAID = frozenset(("json", "jsonb", "uuid"))


class PostgresWarehouse:
    """One connection to Postgres; one result is open at a time.

    Raises QueryError from every method when Postgres refuses a statement, WarehouseError when the connection is lost.
    """

    dialect = "postgres"

    def __init__(self, connection: Connection) -> None:
        self.lacks: frozenset[Ability] = frozenset()
        self._connection = connection
        self._cursor = connection.cursor()
        self._reader: pa.RecordBatchReader | None = None
        self._worker = Worker("postgres", self._cancel)

    def begin_session(self, *, role: str | None, search_path: str | None) -> None:
        """Take the target's role, set what answers may not hang on (SEMANTICS P14), find out what the role may do."""
        if role is not None:
            self.execute(f"SET ROLE {quoted(role)}")
        changes = {"TimeZone": "UTC", **({} if search_path is None else {"search_path": search_path})}
        calls = [f"set_config({literal(name)}, {literal(value)}, false)" for name, value in changes.items()]
        self._fetch(f"SELECT {', '.join(calls)}")
        self._fetch(ROOM)
        with suppress(QueryError):
            self._fetch(NOTICE_THAT_WE_ARE_GONE)
        ((may_make_temporary_tables,),) = self._fetch(ABILITIES)
        if not may_make_temporary_tables:
            self.lacks = frozenset(("temporary_tables", "indexes"))

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once.

        A relation of another database than the connection's counts as not there: Postgres cannot read it.
        """
        wanted = list(relations)
        found: dict[str, list[Column]] = {}
        for number, name, declared, category, element in self._fetch(columns_query(wanted)) if wanted else ():
            column = declared_column(str(name), str(declared), str(category), str(element or ""))
            found.setdefault(wanted[int(str(number))], []).append(column)
        return {relation: tuple(columns) for relation, columns in found.items()}

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:
        """Whether a row is found by an index on these columns.

        Args:
            relation: a table, as dbt renders it.
            columns: those compared by ``=``, in any order, and last the one compared by ``<=``.
        """
        *equal, last = columns
        indexes = [list(names) for (names,) in self._fetch(indexes_query(relation)) if isinstance(names, list)]
        return any(set(names[: len(equal)]) == set(equal) and names[len(equal) :][:1] == [last] for names in indexes)

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is prepared, not run."""
        return tuple(Column(name=field.name, type=field.type) for field in map(field_of, self._describe(sql)))

    def upload(self, name: str, table: pa.Table) -> None:
        """Make a temporary table of an Arrow table, by binary COPY.

        Raises:
            QueryError: the role may make no temporary tables.
            UsageError: a column holds what Postgres cannot.
        """
        stored, types = uploadable(table)
        declared = ", ".join(
            f"{quoted(column)} {kind}" for column, kind in zip(stored.column_names, types, strict=True)
        )
        with self._transaction():
            self.execute(f"DROP TABLE IF EXISTS pg_temp.{quoted(name)}")
            self.execute(f"CREATE TEMPORARY TABLE {quoted(name)} ({declared})")
            if stored.num_rows:
                self._run(lambda: self._cursor.adbc_ingest(name, stored.to_reader(), mode="append", temporary=True))
            self.execute(f"ANALYZE pg_temp.{quoted(name)}")

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the server does not see our files."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._run(lambda: self._cursor.execute(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows; read it to the end before the next statement."""
        fields = [field_of(field) for field in self._describe(sql)]
        schema = pa.schema([(field.name, field.arrow) for field in fields])
        self._reader = reader = self._run(lambda: self._open(exact_select(sql, fields)))
        return pa.RecordBatchReader.from_batches(schema, self._batches(reader, schema, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the engine's memory is the server's."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._cancel()
        if self._reader is not None:
            self._worker.leave(self._reader.close)

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql`, in one transaction; returns how many.

        A reader sees the table as it was until all of it is done. ``replace`` puts a new table in the old one's place,
        without its indexes and grants; ``append`` makes a table that is not there. With a partition, whose column is
        added to the rows as text, other writers of the table wait.
        """
        with self._transaction():
            mode = "create" if table.mode == "append" and not self._kind(table) else table.mode
            self._refuse_table(table, mode)
            for statement in statements:
                self.execute(statement)
            write = {"create": self._create, "replace": self._replace, "append": self._append}[mode]
            return write(table, with_partition(table, sql, self.dialect))

    def append(self, relation: str, rows: pa.Table, *, known_by: Sequence[str] = ()) -> int:
        """Add rows of this process, all or none (`warehouse.protocol.TakesRows`); returns how many."""
        self.upload(_ADDED, rows)
        added = quoted(_ADDED)
        with self._transaction():
            if not self._kind(TableWrite(relation=relation)):  # CREATE IF NOT EXISTS asks for the right to create
                self.execute(f"CREATE TABLE IF NOT EXISTS {relation} AS SELECT * FROM {added} WITH NO DATA")
            there = {column.name for column in self.schema(f"SELECT * FROM {relation}")}
            for name, declared in zip(rows.column_names, uploadable(rows)[1], strict=True):
                if name not in there:
                    self.execute(f"ALTER TABLE {relation} ADD COLUMN IF NOT EXISTS {quoted(name)} {declared}")
            names = ", ".join(map(quoted, rows.column_names))
            new = f"SELECT {self._fitting(relation, rows)} FROM {added} AS new"
            if known_by:
                same = " AND ".join(f"known.{quoted(name)} = new.{quoted(name)}" for name in known_by)
                new += f" WHERE NOT EXISTS (SELECT 1 FROM {relation} AS known WHERE {same})"
            return self._count(f"INSERT INTO {relation} ({names}) {new}")

    def _fitting(self, relation: str, rows: pa.Table) -> str:
        """The columns of rows; text goes into JSON and UUID columns only where that is said."""
        types = self._fetch(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = to_regclass({literal(relation)}) AND attnum > 0 AND NOT attisdropped"
        )
        said = {str(name): str(kind) for name, kind in types}
        cast = [f"new.{quoted(each)}" for each in rows.column_names]
        for place, name in enumerate(rows.column_names):
            if said.get(name) in _SAID:
                cast[place] += f"::{said[name]}"
        return ", ".join(cast)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: the server writes no files of ours."""
        return None

    def close(self) -> None:
        """Close the connection; its temporary tables go with it."""
        if self._reader is not None:
            self._cancel()
        self._worker.close()
        self._cursor.close()
        self._connection.close()

    def _kind(self, table: TableWrite) -> str:
        """What has the table's name: ``r`` or ``p`` a table, other letters something else, empty nothing."""
        found = self._fetch(f"SELECT relkind::text FROM pg_class WHERE oid = to_regclass({literal(table.relation)})")
        return str(found[0][0]) if found else ""

    def _refuse_table(self, table: TableWrite, mode: str) -> None:
        """Refuse before the work what cannot be written after it."""
        if mode == "append":
            self.schema(f"SELECT * FROM {table.relation}")
            return
        if mode == "replace" and self._kind(table) not in {"", "r", "p"}:
            raise QueryError(f"{table.relation} is there and no table", hint="choose another name, or drop it first")
        probe = table.relation if mode == "create" else _sibling(table.relation, _unused_name())
        self.execute("SAVEPOINT probe")
        self.execute(f"CREATE TABLE {probe} (x integer)")
        self.execute("ROLLBACK TO SAVEPOINT probe")

    def _create(self, table: TableWrite, sql: str) -> int:
        return self._count(f"CREATE TABLE {table.relation} AS {sql}")

    def _replace(self, table: TableWrite, sql: str) -> int:
        made = _unused_name()
        rows = self._count(f"CREATE TABLE {_sibling(table.relation, made)} AS {sql}")
        self.execute(f"DROP TABLE IF EXISTS {table.relation}")
        self.execute(f"ALTER TABLE {_sibling(table.relation, made)} RENAME TO {quoted(parts(table.relation)[-1])}")
        return rows

    def _append(self, table: TableWrite, sql: str) -> int:
        new = self.schema(sql)
        refuse_other_columns(table, before=self.schema(f"SELECT * FROM {table.relation}"), new=new)
        if table.partition is not None:
            column, value = table.partition
            self.execute(f"LOCK TABLE {table.relation} IN SHARE ROW EXCLUSIVE MODE")
            self.execute(f"DELETE FROM {table.relation} WHERE {quoted(column)} = {literal(value)}")
        names = ", ".join(quoted(column.name) for column in new)
        return self._count(f"INSERT INTO {table.relation} ({names}) {sql}")

    def _count(self, statement: str) -> int:
        """Run one statement; returns how many rows it wrote."""
        self.execute(statement)
        return int(self._cursor.rowcount)

    def _describe(self, sql: str) -> pa.Schema:
        return self._run(lambda: self._cursor.adbc_execute_schema(sql))

    def _open(self, sql: str) -> pa.RecordBatchReader:
        self._cursor.execute(sql)
        return self._cursor.fetch_record_batch()

    def _fetch(self, sql: str) -> list[tuple[object, ...]]:
        def work() -> list[tuple[object, ...]]:
            self._cursor.execute(sql)
            return list(self._cursor.fetchall())

        return self._run(work)

    def _batches(self, reader: pa.RecordBatchReader, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Pull batches; rows come while they are pulled, so this is where a query may fail."""

        def pull() -> pa.RecordBatch | None:
            batch = next(reader, None)
            return None if batch is None else exact_batch(batch, schema)

        while (batch := self._run(pull)) is not None:
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)
        self._reader = None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is run inside, or none of it."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(FeatureStoreError):  # a lost connection has rolled back by itself
                self.execute("ROLLBACK")
            raise

    def _cancel(self) -> None:
        with suppress(adbc_driver_manager.Error):  # where the server is away, nothing runs
            self._cursor.adbc_cancel()

    def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return self._worker.run(work)
        except adbc_driver_manager.Error as error:
            details = {key: value.decode() for key, value in error.details if isinstance(value, bytes)}
            raise refused(error, error.sqlstate, details) from None
        except (pa.ArrowException, OSError) as error:
            raise refused(error, None, {}) from None


def _unused_name() -> str:
    return f"fs_{uuid.uuid4().hex}"


def _sibling(relation: str, name: str) -> str:
    """A table of another name in the same schema."""
    return ".".join(quoted(part) for part in [*parts(relation)[:-1], name])
