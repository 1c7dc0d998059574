"""Databricks SQL through its own connector: results as Arrow, examples inserted into a table that goes with it.

Never run against a Databricks: what is checked is the text of every statement, and the calls to the connector. It has
temporary views and no temporary tables, so a plan runs as one SELECT.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.arrow_columns import plain
from featurestore.warehouse.dbapi import Connection, DbApiSession
from featurestore.warehouse.inserts import ColumnTypes, Uploads, insert_statements
from featurestore.warehouse.names import RelationName, is_one_of, literal, quoted, relation_name
from featurestore.warehouse.table_columns import columns_before, with_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from featurestore.warehouse.protocol import Ability, TableWrite

_DIALECT = "databricks"
_NO_CATALOG = "hive_metastore"
_TYPES = ColumnTypes(
    label="Databricks",
    dialect=_DIALECT,
    text="STRING",
    binary="BINARY",
    naive="TIMESTAMP_NTZ",
    instant="TIMESTAMP",
    naive_literal="TIMESTAMP_NTZ",
    instant_literal="TIMESTAMP",
)


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,  # noqa: ARG001
    read_only: bool = True,  # noqa: ARG001
) -> DatabricksWarehouse:
    """Open a session for a dbt-databricks target.

    Args:
        settings: the target's block of `profiles.yml`: host, http_path, token or auth_type with client_id and
            client_secret, catalog, schema, session_properties.
        base_dir: not used.
        read_only: not used.

    Raises:
        UsageError: the connector is not installed.
        WarehouseError: the workspace cannot be reached or refuses the user.
    """
    try:
        from databricks import sql
    except ImportError as error:
        raise UsageError(
            "the Databricks connector is not installed", hint="pip install 'featurestore[databricks]'"
        ) from error
    refusals = (sql.exc.Error,)
    try:
        connection = sql.connect(**connection_options(settings))
    except (*refusals, OSError, ValueError) as error:
        raise WarehouseError(
            f"cannot open Databricks at {settings.get('host')}: {type(error).__name__}",
            hint="check the target in profiles.yml",
        ) from error
    return DatabricksWarehouse(connection, refusals=refusals, home=home_of(settings))


def connection_options(settings: Mapping[str, object]) -> dict[str, object]:
    """Write the keyword arguments of `databricks.sql.connect`."""
    wanted = {
        "server_hostname": settings.get("host"),
        "http_path": settings.get("http_path"),
        "access_token": settings.get("token"),
        "auth_type": settings.get("auth_type"),
        "catalog": settings.get("catalog"),
        "schema": settings.get("schema"),
    }
    made = {name: value for name, value in wanted.items() if value is not None}
    if settings.get("client_id") and settings.get("client_secret"):
        made["oauth_client_id"] = settings["client_id"]
        made["oauth_client_secret"] = settings["client_secret"]
    own = settings.get("session_properties")
    properties = {str(key): str(value) for key, value in own.items()} if isinstance(own, dict) else {}
    return {**made, "session_configuration": {**properties, "timezone": "UTC", "ansi_mode": "true"}}


def home_of(settings: Mapping[str, object]) -> RelationName:
    """Where tables of our own are made: the target's catalog and schema."""
    return RelationName(
        database=str(settings.get("catalog") or _NO_CATALOG), schema=str(settings.get("schema")), name=""
    )


class DatabricksWarehouse:
    """One session. See `featurestore.warehouse.protocol.Warehouse`.

    Args:
        connection: of `databricks.sql`.
        refusals: the connector's errors.
        home: catalog and schema in which tables for examples are made.
    """

    dialect = _DIALECT
    lacks: frozenset[Ability] = frozenset(("temporary_tables",))

    def __init__(self, connection: Connection, *, refusals: tuple[type[Exception], ...], home: RelationName) -> None:
        self._session = DbApiSession(
            connection,
            label="Databricks",
            refusals=refusals,
            missing=lambda said: "TABLE_OR_VIEW_NOT_FOUND" in said or "SCHEMA_NOT_FOUND" in said,
            cancel=lambda cursor: cursor.cancel(),
        )
        self._home = home
        self._uploads = Uploads(_DIALECT)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation of Unity Catalog that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT).within(self._home) for relation in relations}
        if not names:
            return {}
        queries = [_catalog_query(catalog, names.values()) for catalog in {name.database for name in names.values()}]
        found: dict[tuple[str, ...], list[Column]] = {}
        text = f"{' UNION '.join(sorted(queries))} ORDER BY 1, 2, 3, 4"
        for catalog, schema, table, _, name, kind in self._session.rows(text):
            column = Column(name=name, type=parse_type(kind, dialect=_DIALECT))
            found.setdefault((catalog, schema, table), []).append(column)
        keys = {relation: _folded(name) for relation, name in names.items()}
        return {relation: tuple(found[key]) for relation, key in keys.items() if key in found}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is analysed, not run."""
        described = self._session.rows(f"DESCRIBE QUERY {self._uploads.rewritten(sql)}")
        return tuple(Column(name=str(row[0]), type=parse_type(str(row[1]), dialect=_DIALECT)) for row in described)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: it has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Insert an Arrow table, 1,000 rows at a time, into a table of the target's schema that `close` drops."""
        table = plain(table)
        columns = _TYPES.columns(table.schema)
        place = self._home.beside("featurestore_examples_", _DIALECT)
        self._uploads.add(name, place)
        # A column may have a blank in its name, which Delta takes only where names are mapped.
        self._session.execute(f"CREATE TABLE {place} ({columns}) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
        for statement in insert_statements(place, table, _TYPES):
            self._session.execute(statement)

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the workspace does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._session.execute(self._uploads.rewritten(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows."""
        text = self._uploads.rewritten(sql)
        cursor = self._session.run(lambda: self._session.opened(text))
        first = self._session.run(lambda: cursor.fetchmany_arrow(batch_rows))
        return pa.RecordBatchReader.from_batches(first.schema, self._batches(cursor, first, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the work is not done in this process."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._session.abandon()

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` in one statement, which Delta tables make atomic."""
        sql = with_partition(table, sql, _DIALECT)
        known = columns_before(self, table)
        for statement in statements:
            self.execute(statement)
        if known and table.mode == "append":
            return self._append(table, known, sql)
        verb = "CREATE OR REPLACE TABLE" if table.mode == "replace" else "CREATE TABLE"
        self.execute(f"{verb} {table.relation} AS {sql}")
        ((rows,),) = self._session.rows(f"SELECT COUNT(*) FROM {table.relation}")
        return int(rows)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """Drop the tables of examples, and end the session."""
        for place in self._uploads.made:
            with suppress(QueryError):
                self._session.execute(f"DROP TABLE IF EXISTS {place}")
        self._session.close()

    def _append(self, table: TableWrite, known: Sequence[Column], sql: str) -> int:
        """Add rows by name, or replace those of a partition by them: a single INSERT either way."""
        if table.partition is None:
            text = f"INSERT INTO {table.relation} BY NAME {sql}"
        else:
            name, value = table.partition
            given = {column.name.casefold() for column in self.schema(sql)}
            if name.casefold() not in {column.name.casefold() for column in known}:
                raise QueryError(f"the table {table.relation} has no column '{name}' to be a partition")
            missing = [column.name for column in known if column.name.casefold() not in given]
            if missing or len(given) != len(known):
                raise QueryError(
                    f"the columns of {table.relation} and of the rows differ", hint="replace the table, or append to it"
                )
            columns = ", ".join(f"q.{quoted(column.name, _DIALECT)}" for column in known)
            text = (
                f"INSERT INTO {table.relation} REPLACE WHERE {quoted(name, _DIALECT)} = {literal(value, _DIALECT)} "
                f"SELECT {columns} FROM ({sql}) AS q"
            )
        ((_, rows, *_),) = self._session.rows(self._uploads.rewritten(text)) or [(0, 0)]
        return int(rows)

    def _batches(self, cursor: Any, first: pa.Table, rows: int) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        part = first
        while part.num_rows:
            yield from part.to_batches(max_chunksize=rows)
            part = self._session.run(lambda: cursor.fetchmany_arrow(rows))


def _folded(name: RelationName) -> tuple[str, str, str]:
    """Unity Catalog keeps all names in lower case."""
    return (str(name.database).lower(), str(name.schema).lower(), name.name.lower())


def _catalog_query(catalog: str | None, names: Iterable[RelationName]) -> str:
    places = sorted(_folded(name)[1:] for name in names if name.database == catalog)
    return (
        "SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, full_data_type "
        f"FROM {quoted(str(catalog), _DIALECT)}.information_schema.columns WHERE {is_one_of(places, _DIALECT)}"
    )
