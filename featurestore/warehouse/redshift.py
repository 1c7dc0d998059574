"""Redshift through redshift_connector: plain rows made Arrow, examples inserted into a temporary table.

Never run against a Redshift: what is checked is the text of every statement, and the calls to the connector. The
Postgres driver of ADBC would give Arrow, but knows nothing of IAM, by which most clusters are reached.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.arrow_columns import plain
from featurestore.warehouse.dbapi import Connection, Cursor, DbApiSession
from featurestore.warehouse.inserts import ColumnTypes, insert_statements
from featurestore.warehouse.names import RelationName, is_one_of, literal, quoted, relation_name
from featurestore.warehouse.table_columns import columns_before, with_partition
from featurestore.warehouse.value_types import arrow_type, record_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from featurestore.warehouse.protocol import Ability, TableWrite

_DIALECT = "redshift"
_IAM_METHODS = frozenset(("iam", "iam_role"))
_TYPES = ColumnTypes(
    label="Redshift",
    dialect=_DIALECT,
    text="VARCHAR(MAX)",
    binary="VARBYTE(1000000)",
    naive="TIMESTAMP",
    instant="TIMESTAMPTZ",
    naive_literal="TIMESTAMP",
    instant_literal="TIMESTAMPTZ",
    double="DOUBLE PRECISION",
    binary_literal="FROM_HEX('{}')",
)
# Postgres' numbers of the types; a NUMERIC says nothing of its digits there.
_NUMERIC = 1700
_BY_NUMBER: dict[int, str] = {
    16: "boolean",
    17: "bytes",
    20: "int64",
    21: "int16",
    23: "int32",
    700: "float32",
    701: "float64",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    _NUMERIC: "decimal(38,9)",
    4000: "json",
}
_MOST_DIGITS = 38


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,  # noqa: ARG001
    read_only: bool = True,  # noqa: ARG001
) -> RedshiftWarehouse:
    """Open a session for a dbt-redshift target.

    Args:
        settings: the target's block of `profiles.yml`: host, port, dbname (or database), user, password, method
            (database, iam, iam_role), cluster_id, region, iam_profile, access_key_id, secret_access_key, sslmode,
            connect_timeout, schema, autocreate, db_groups.
        base_dir: not used.
        read_only: not used.

    Raises:
        UsageError: the connector is not installed.
        WarehouseError: the cluster cannot be reached or refuses the user.
    """
    try:
        import redshift_connector
    except ImportError as error:
        raise UsageError(
            "the Redshift connector is not installed", hint="pip install 'featurestore[redshift]'"
        ) from error
    refusals = (redshift_connector.Error, OSError)

    def connect() -> Connection:
        made: Any = redshift_connector.connect(**connection_options(settings))
        made.autocommit = True
        return made  # type: ignore[no-any-return]  # the driver has no types

    try:
        return RedshiftWarehouse(connect, refusals=refusals, schema=str(settings.get("schema") or "public"))
    except refusals as error:
        raise WarehouseError(
            f"cannot open Redshift at {settings.get('host')}: {error}", hint="check the target in profiles.yml"
        ) from error


def connection_options(settings: Mapping[str, object]) -> dict[str, object]:
    """Write the keyword arguments of `redshift_connector.connect`."""
    is_iam = settings.get("method") in _IAM_METHODS
    wanted = {
        "host": settings.get("host"),
        "port": settings.get("port"),
        "database": settings.get("dbname") or settings.get("database"),
        "user": None if is_iam else settings.get("user"),
        "password": None if is_iam else settings.get("password"),
        "iam": True if is_iam else None,
        "db_user": settings.get("user") if is_iam else None,
        "cluster_identifier": settings.get("cluster_id"),
        "region": settings.get("region"),
        "profile": settings.get("iam_profile"),
        "access_key_id": settings.get("access_key_id"),
        "secret_access_key": settings.get("secret_access_key"),
        "auto_create": settings.get("autocreate"),
        "db_groups": settings.get("db_groups"),
        "sslmode": settings.get("sslmode"),
        "timeout": settings.get("connect_timeout"),
    }
    made = {name: value for name, value in wanted.items() if value is not None}
    return {**made, "application_name": "featurestore"}


class RedshiftWarehouse:
    """One session. See `featurestore.warehouse.protocol.Warehouse`.

    Args:
        connect: opens a connection that commits each statement; a second one is opened to stop a query of the first.
        refusals: the connector's errors.
        schema: of relations whose name says none.
    """

    dialect = _DIALECT
    lacks: frozenset[Ability] = frozenset()

    def __init__(
        self, connect: Callable[[], Connection], *, refusals: tuple[type[Exception], ...], schema: str
    ) -> None:
        self._connect = connect
        self._schema = schema
        self._session = DbApiSession(
            connect(),
            label="Redshift",
            refusals=refusals,
            missing=lambda said: "does not exist" in said,
            cancel=lambda _: self._cancel(),
        )
        self._session.execute("SET timezone TO 'UTC'")
        ((self._process,),) = self._session.rows("SELECT pg_backend_pid()")

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation of the database that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT) for relation in relations}
        if not names:
            return {}
        places = sorted({self._place(name) for name in names.values()})
        wanted = is_one_of(places, _DIALECT)
        rows = self._session.rows(
            "SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale "
            f"FROM svv_columns WHERE table_catalog = current_database() AND ({wanted}) ORDER BY 1, 2, ordinal_position"
        )
        found: dict[tuple[str, str], list[Column]] = {}
        for schema, table, name, kind, precision, scale in rows:
            text = f"{kind}({precision},{scale})" if kind == "numeric" and precision else str(kind)
            column = Column(name=str(name), type=parse_type(text, dialect=_DIALECT))
            found.setdefault((str(schema), str(table)), []).append(column)
        keys = {relation: self._place(name) for relation, name in names.items()}
        return {relation: tuple(found[key]) for relation, key in keys.items() if key in found}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is asked for no row. A NUMERIC's digits are not known."""
        cursor = self._session.run(lambda: self._session.opened(f'SELECT * FROM ({sql}) AS "__query" LIMIT 0'))
        return tuple(Column(name=str(column[0]), type=_type_of(column[1])) for column in cursor.description)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: it has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Insert an Arrow table, 1,000 rows at a time, into the temporary table `name`."""
        table = plain(table)
        as_name = quoted(name, _DIALECT)
        columns = _TYPES.columns(table.schema)
        self.execute(f"DROP TABLE IF EXISTS pg_temp.{as_name}")
        self.execute(f"CREATE TEMPORARY TABLE {as_name} ({columns})")
        for statement in insert_statements(as_name, table, _TYPES):
            self.execute(statement)

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the cluster does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._session.execute(statement)

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows; how many digits a NUMERIC has after the point, the first rows say."""
        cursor = self._session.run(lambda: self._session.opened(sql))
        first = self._session.run(lambda: cursor.fetchmany(batch_rows))
        columns = list(zip(*first, strict=True)) or [()] * len(cursor.description)
        schema = pa.schema(
            [
                (str(column[0]), _arrow_of(column[1], values))
                for column, values in zip(cursor.description, columns, strict=True)
            ]
        )
        return pa.RecordBatchReader.from_batches(schema, self._batches(cursor, first, schema, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the work is not done in this process."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._session.abandon()

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, compute the rows into a new table, and put it in its place in one transaction."""
        sql = with_partition(table, sql, _DIALECT)
        known = columns_before(self, table)
        for statement in statements:
            self.execute(statement)
        name = relation_name(table.relation, _DIALECT)
        made = name.beside("featurestore_new_", _DIALECT)
        changes = [f"CREATE TABLE {made} AS {sql}"]
        if known and table.mode == "append":
            changes += self._additions(table, known, made, sql)
        else:
            changes += [f"DROP TABLE {table.relation}"] if known else []
            changes.append(f"ALTER TABLE {made} RENAME TO {quoted(name.name, _DIALECT)}")
        self.execute("BEGIN")
        try:
            self.execute(changes[0])
            ((rows,),) = self._session.rows(f"SELECT COUNT(*) FROM {made}")
            for change in changes[1:]:
                self.execute(change)
            self.execute("COMMIT")
        except BaseException:
            with suppress(QueryError):
                self.execute("ROLLBACK")
            raise
        return int(rows)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """End the session; its temporary tables go with it."""
        self._session.close()

    def _additions(self, table: TableWrite, known: Sequence[Column], made: str, sql: str) -> list[str]:
        columns = ", ".join(quoted(column.name, _DIALECT) for column in self.schema(sql))
        changes = [f"INSERT INTO {table.relation} ({columns}) SELECT {columns} FROM {made}", f"DROP TABLE {made}"]
        if table.partition is not None:
            name, value = table.partition
            if name.casefold() not in {column.name.casefold() for column in known}:
                raise QueryError(f"the table {table.relation} has no column '{name}' to be a partition")
            same = f"{quoted(name, _DIALECT)} = {literal(value, _DIALECT)}"
            changes.insert(0, f"DELETE FROM {table.relation} WHERE {same}")
        return changes

    def _batches(
        self,
        cursor: Cursor,
        first: Sequence[Sequence[object]],
        schema: pa.Schema,
        rows: int,
    ) -> Iterator[pa.RecordBatch]:
        if first:
            yield record_batch(first, schema)
            yield from self._session.batches(cursor, schema, rows)

    def _place(self, name: RelationName) -> tuple[str, str]:
        return (name.schema or self._schema, name.name)

    def _cancel(self) -> None:
        """Stop, over another connection, what this one's process runs."""
        other = self._connect()
        try:
            other.cursor().execute(f"SELECT pg_cancel_backend({int(self._process)})")
        finally:
            other.close()


def _type_of(number: int) -> str:
    return _BY_NUMBER.get(number, "string")


def _arrow_of(number: int, values: Sequence[object]) -> pa.DataType:
    if number != _NUMERIC:
        return arrow_type(_type_of(number))
    scales = [-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal) and value.is_finite()]
    return pa.decimal128(_MOST_DIGITS, max(0, *scales)) if scales else arrow_type(_type_of(number))
