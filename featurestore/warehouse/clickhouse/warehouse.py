"""ClickHouse over HTTP (`clickhouse-connect`): Arrow streams both ways, one session per connection.

Its times are instants and come back as such.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError, WarehouseError
from featurestore.warehouse.arrow_columns import plain
from featurestore.warehouse.clickhouse.enums import as_texts, enum_texts
from featurestore.warehouse.clickhouse.errors import refused, said
from featurestore.warehouse.clickhouse.types import clickhouse_type
from featurestore.warehouse.names import RelationName, literal, quoted, relation_name
from featurestore.warehouse.table_columns import columns_before, refuse_other_columns, with_partition
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from featurestore.warehouse.clickhouse.client import Client, Stream
    from featurestore.warehouse.protocol import Ability, TableWrite

Result = TypeVar("Result")

_DIALECT = "clickhouse"
_INSERT_ROWS = 1_000_000


class ClickHouseWarehouse:
    """One open session. See `featurestore.warehouse.protocol.Warehouse`.

    Args:
        connect: opens a client with the `SETTINGS` of `open`; a second one is opened to stop a query of the first.
        place: how to speak of the server in messages.
    """

    dialect = _DIALECT
    lacks: frozenset[Ability]

    def __init__(self, connect: Callable[[], Client], *, place: str) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())  # what it logs, our errors say
        self._refusals = ClickHouseError
        self._connect = connect
        self._mark = f"featurestore {secrets.token_hex(8)}"
        self._stream: Stream | None = None
        try:
            self._client = connect()
            self._client.set_client_setting("log_comment", self._mark)
        except ClickHouseError as error:
            raise WarehouseError(
                f"cannot open ClickHouse at {place}: {said(error)}", hint="check the target in profiles.yml"
            ) from error
        self._worker = Worker("clickhouse", self._kill)
        self.lacks = frozenset() if self._has_temporary_tables() else frozenset(("temporary_tables",))

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT) for relation in relations}
        if not names:
            return {}
        places = ", ".join(f"({_database(name)}, {literal(name.name, _DIALECT)})" for name in names.values())
        rows = self._rows(
            "SELECT database, table, name, type, database = currentDatabase() AS is_current FROM system.columns "
            f"WHERE (database, table) IN ({places}) AND default_kind <> 'EPHEMERAL' ORDER BY database, table, position"
        )
        found: dict[tuple[str | None, str], list[Column]] = {}
        for row in rows:
            column = Column(name=row["name"], type=parse_type(row["type"], dialect=_DIALECT))
            databases = [row["database"], None] if row["is_current"] else [row["database"]]
            for database in databases:
                found.setdefault((database, row["table"]), []).append(column)
        return {
            relation: tuple(found[name.schema, name.name])
            for relation, name in names.items()
            if (name.schema, name.name) in found
        }

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is analysed, not run."""
        return tuple(
            Column(name=name, type=parse_type(kind, dialect=_DIALECT)) for name, kind in self._described(sql).items()
        )

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: a table's sorting key serves ranges, but no walk per example."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Insert an Arrow table into the temporary table `name`; every column may be NULL but lists."""
        table = plain(table)
        as_name = quoted(name, _DIALECT)
        columns = ", ".join(f"{quoted(field.name, _DIALECT)} {clickhouse_type(field)}" for field in table.schema)
        self.execute(f"DROP TEMPORARY TABLE IF EXISTS {as_name}")
        self.execute(f"CREATE TEMPORARY TABLE {as_name} ({columns})")
        for start in range(0, table.num_rows, _INSERT_ROWS):
            self._insert(as_name, table.slice(start, _INSERT_ROWS))

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the server does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._run(lambda: self._client.command(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows; read it to the end before the next statement."""
        kinds = self._described(sql)
        settings = {"max_block_size": batch_rows}
        stream = self._run(lambda: self._client.raw_stream(sql, settings=settings, fmt="ArrowStream"))
        self._stream = stream
        reader = self._run(lambda: pa.ipc.open_stream(stream))
        schema = pa.schema([_as_meant(field, kinds.get(field.name, "")) for field in reader.schema])
        enums = [enum_texts(kinds.get(field.name, "")) for field in schema]
        return pa.RecordBatchReader.from_batches(schema, self._batches(reader, schema, enums, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: a server has limits of its own."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._kill()
        if self._stream is not None:
            self._worker.leave(self._stream.close)

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, store the rows of `sql` beside the table, and give them its name in one step.

        ClickHouse has no transactions: what is atomic is ``RENAME`` and ``EXCHANGE TABLES``, in databases of the engine
        Atomic (the default) or Replicated. To append, the table's parts are attached to a new table (hard links, no
        copy), the rows of the partition deleted and the new ones inserted there; then the two are exchanged. Readers
        see the table before or after; rows that others insert while the exchange is prepared are lost.
        """
        name = relation_name(table.relation, _DIALECT)
        exists = bool(columns_before(self, table))
        if exists and self._is_view(name):
            raise QueryError(f"{table.relation} is a view and no table", hint="choose another name, or drop it first")
        made = name.beside("__new_", _DIALECT)
        try:
            for statement in statements:
                self.execute(statement)
            rows = with_partition(table, sql, _DIALECT)
            if exists and table.mode == "append":
                before = self.schema(f"SELECT * FROM {table.relation}")
                refuse_other_columns(table, before=before, new=self.schema(rows))
            self.execute(f"CREATE TABLE {made} ENGINE = MergeTree ORDER BY tuple() AS {rows}")
            (row,) = self._rows(f"SELECT count() AS n FROM {made}")
            if not exists:
                self.execute(f"RENAME TABLE {made} TO {table.relation}")
            elif table.mode == "replace":
                self.execute(f"EXCHANGE TABLES {made} AND {table.relation}")
            else:
                self._append(table, name, made)
        finally:
            self._drop(made)
        return int(row["n"])

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """Close the session; its temporary tables go with it."""
        self._worker.close()
        self._client.close()

    def _is_view(self, name: RelationName) -> bool:
        place = f"database = {_database(name)} AND name = {literal(name.name, _DIALECT)}"
        return bool(self._rows(f"SELECT engine FROM system.tables WHERE {place} AND engine LIKE '%View'"))

    def _append(self, table: TableWrite, name: RelationName, made: str) -> None:
        """Put the rows of `made` into a copy of the table's parts, and exchange the two."""
        columns = ", ".join(quoted(column, _DIALECT) for column in self._described(f"SELECT * FROM {made}"))
        grown = name.beside("__grown_", _DIALECT)
        try:
            self.execute(f"CREATE TABLE {grown} AS {table.relation}")
            self.execute(f"ALTER TABLE {grown} ATTACH PARTITION ALL FROM {table.relation}")
            if table.partition is not None:
                column, value = table.partition
                self.execute(f"DELETE FROM {grown} WHERE {quoted(column, _DIALECT)} = {literal(value, _DIALECT)}")
            self.execute(f"INSERT INTO {grown} ({columns}) SELECT {columns} FROM {made}")
            self.execute(f"EXCHANGE TABLES {grown} AND {table.relation}")
        finally:
            self._drop(grown)

    def _insert(self, as_name: str, rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        block = sink.getvalue().to_pybytes()
        self._run(lambda: self._client.raw_insert(as_name, insert_block=block, fmt="ArrowStream"))

    def _has_temporary_tables(self) -> bool:
        try:
            self.execute("CREATE TEMPORARY TABLE __probe (x UInt8)")
        except QueryError:
            return False
        self.execute("DROP TEMPORARY TABLE __probe")
        return True

    def _described(self, sql: str) -> dict[str, str]:
        """ClickHouse's type of each column that a SELECT would yield."""
        return {row["name"]: row["type"] for row in self._rows(f"DESCRIBE TABLE ({sql}\n)")}

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        found = self._run(lambda: self._client.raw_query(sql, fmt="ArrowStream"))
        rows: list[dict[str, Any]] = pa.ipc.open_stream(found).read_all().to_pylist() if found else []
        return rows

    def _batches(
        self, reader: pa.RecordBatchReader, schema: pa.Schema, enums: Sequence[dict[int, str]], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Pull batches; a query runs while they are pulled, so this is where it may fail."""
        while (batch := self._run(lambda: next(reader, None))) is not None:
            columns = [
                as_texts(column, texts) if texts else _cast(column, field.type)
                for column, field, texts in zip(batch.columns, schema, enums, strict=True)
            ]
            whole = pa.RecordBatch.from_arrays(columns, schema=schema)
            yield from (whole.slice(start, rows) for start in range(0, whole.num_rows, rows))

    def _kill(self) -> None:
        """Stop, over another session, every query that bears this connection's mark; a server that is gone has none."""
        with suppress(self._refusals, OSError):
            other = self._connect()
            try:
                other.command(f"KILL QUERY WHERE Settings['log_comment'] = {literal(self._mark, _DIALECT)} ASYNC")
            finally:
                other.close()

    def _drop(self, table: str) -> None:
        """Drop a table of ours; whether that works must not hide what went before."""
        with suppress(QueryError):
            self.execute(f"DROP TABLE IF EXISTS {table}")

    def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return self._worker.run(work)
        except self._refusals as error:
            raise refused(error) from error
        except (pa.ArrowException, OSError) as error:
            raise QueryError(f"ClickHouse broke off its answer: {said(error)}") from error


def _as_meant(field: pa.Field, kind: str) -> pa.Field:
    """A column of ``DateTime`` or of an enum, which Arrow gets as bare numbers."""
    if enum_texts(kind):
        return field.with_type(pa.string())
    if pa.types.is_uint32(field.type) and "DateTime" in kind:
        return field.with_type(pa.timestamp("s", tz="UTC"))
    return field


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    return column if column.type == wanted else column.cast(pa.int64()).cast(wanted)


def _database(name: RelationName) -> str:
    return "currentDatabase()" if name.schema is None else literal(name.schema, _DIALECT)
