"""Trino through its own client: plain rows made Arrow, examples inserted into a table that goes with the connection.

Never run against a Trino: what is checked is the text of every statement, and the calls to the client. Trino has no
temporary tables, so a plan runs as one SELECT.
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
from featurestore.warehouse.names import RelationName, is_one_of, quoted, relation_name
from featurestore.warehouse.table_columns import columns_before
from featurestore.warehouse.value_types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from featurestore.warehouse.protocol import Ability, TableWrite

_DIALECT = "trino"
_TYPES = ColumnTypes(
    label="Trino",
    dialect=_DIALECT,
    text="VARCHAR",
    binary="VARBINARY",
    naive="TIMESTAMP(6)",
    instant="TIMESTAMP(6) WITH TIME ZONE",
    naive_literal="TIMESTAMP",
    instant_literal="TIMESTAMP",
)


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,  # noqa: ARG001
    read_only: bool = True,  # noqa: ARG001
) -> TrinoWarehouse:
    """Open a connection for a dbt-trino target.

    Args:
        settings: the target's block of `profiles.yml`: host, port, user, database (the catalog), schema, http_scheme,
            method (none, ldap with password, jwt with jwt_token, certificate with client_certificate and
            client_private_key), roles, session_properties, cert.
        base_dir: not used.
        read_only: not used.

    Raises:
        UsageError: the client is not installed, or the method is another.
        WarehouseError: the client refuses the options. The server is first asked by the first statement.
    """
    try:
        import trino
    except ImportError as error:
        raise UsageError("the Trino client is not installed", hint="pip install 'featurestore[trino]'") from error
    options = connection_options(settings)
    options["auth"] = _authentication(settings, trino)
    refusals = (trino.exceptions.Error, trino.exceptions.HttpError, OSError)
    try:
        connection = trino.dbapi.connect(**options)
    except (*refusals, ValueError) as error:
        raise WarehouseError(
            f"cannot open Trino at {settings.get('host')}: {error}", hint="check the target in profiles.yml"
        ) from error
    return TrinoWarehouse(connection, refusals=refusals, home=home_of(settings))


def connection_options(settings: Mapping[str, object]) -> dict[str, object]:
    """Write the keyword arguments of `trino.dbapi.connect`, but for the authentication."""
    wanted = {
        "host": settings.get("host"),
        "port": settings.get("port"),
        "user": settings.get("user"),
        "catalog": settings.get("database") or settings.get("catalog"),
        "schema": settings.get("schema"),
        "http_scheme": settings.get("http_scheme"),
        "roles": settings.get("roles"),
        "session_properties": settings.get("session_properties"),
        "verify": settings.get("cert"),
    }
    made = {name: value for name, value in wanted.items() if value is not None}
    return {**made, "source": "featurestore", "timezone": "UTC"}


def home_of(settings: Mapping[str, object]) -> RelationName:
    """Where tables of our own are made: the target's catalog and schema."""
    catalog = settings.get("database") or settings.get("catalog")
    return RelationName(database=str(catalog), schema=str(settings.get("schema")), name="")


def _authentication(settings: Mapping[str, object], trino: Any) -> object:  # noqa: ANN401  the driver's module
    method = str(settings.get("method") or "none").lower()
    if method == "none":
        return None
    if method == "ldap":
        return trino.auth.BasicAuthentication(settings.get("user"), settings.get("password"))
    if method == "jwt":
        return trino.auth.JWTAuthentication(settings.get("jwt_token"))
    if method == "certificate":
        return trino.auth.CertificateAuthentication(
            settings.get("client_certificate"), settings.get("client_private_key")
        )
    if method == "oauth":
        return trino.auth.OAuth2Authentication()
    raise UsageError(f"expected none, ldap, jwt, certificate or oauth, got '{method}'", where="profiles.yml: method")


class TrinoWarehouse:
    """One connection. See `featurestore.warehouse.protocol.Warehouse`.

    Args:
        connection: of `trino.dbapi`.
        refusals: the client's errors.
        home: catalog and schema in which tables for examples are made.
    """

    dialect = _DIALECT
    lacks: frozenset[Ability] = frozenset(("temporary_tables",))

    def __init__(self, connection: Connection, *, refusals: tuple[type[Exception], ...], home: RelationName) -> None:
        self._session = DbApiSession(
            connection,
            label="Trino",
            refusals=refusals,
            missing=lambda said: "TABLE_NOT_FOUND" in said or "SCHEMA_NOT_FOUND" in said,
            cancel=lambda cursor: cursor.cancel(),
        )
        self._home = home
        self._uploads = Uploads(_DIALECT)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT).within(self._home) for relation in relations}
        if not names:
            return {}
        queries = [_catalog_query(catalog, names.values()) for catalog in {name.database for name in names.values()}]
        found: dict[tuple[str, ...], list[Column]] = {}
        for catalog, schema, table, _, name, kind in self._session.rows(
            f"{' UNION '.join(sorted(queries))} ORDER BY 1, 2, 3, 4"
        ):
            column = Column(name=name, type=parse_type(kind, dialect=_DIALECT))
            found.setdefault((catalog, schema, table), []).append(column)
        keys = {relation: (str(name.database), str(name.schema), name.name) for relation, name in names.items()}
        return {relation: tuple(found[key]) for relation, key in keys.items() if key in found}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is prepared, not run."""
        text = self._uploads.rewritten(sql)
        described = self._session.run(lambda: self._session.connection.cursor().describe(text))
        return tuple(Column(name=column.name, type=parse_type(column.type, dialect=_DIALECT)) for column in described)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: it has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Insert an Arrow table, 1,000 rows at a time, into a table of the target's schema that `close` drops."""
        table = plain(table)
        columns = _TYPES.columns(table.schema)
        place = self._home.beside("featurestore_examples_", _DIALECT)
        self._uploads.add(name, place)
        self._session.execute(f"CREATE TABLE {place} ({columns})")
        for statement in insert_statements(place, table, _TYPES):
            self._session.execute(statement)

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: the cluster does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._session.execute(self._uploads.rewritten(statement))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows."""
        text = self._uploads.rewritten(sql)
        cursor = self._session.run(lambda: self._session.opened(text))
        types = {column[0]: parse_type(str(column[1]), dialect=_DIALECT) for column in cursor.description}
        schema = pa.schema([(name, arrow_type(kind)) for name, kind in types.items()])
        return pa.RecordBatchReader.from_batches(schema, self._session.batches(cursor, schema, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the work is not done in this process."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._session.abandon()

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` in one statement, as atomic as the catalog's connector is.

        Raises:
            QueryError: also where a partition is to be replaced, which takes two statements and no transaction holds
                them together.
        """
        exists = bool(columns_before(self, table))
        if table.partition is not None:
            raise QueryError(
                "Trino cannot replace a partition's rows in one step", hint="append without one, or replace the table"
            )
        for statement in statements:
            self.execute(statement)
        if exists and table.mode == "append":
            columns = ", ".join(quoted(column.name, _DIALECT) for column in self.schema(sql))
            text = f"INSERT INTO {table.relation} ({columns}) {sql}"
        else:
            verb = "CREATE OR REPLACE TABLE" if table.mode == "replace" else "CREATE TABLE"
            text = f"{verb} {table.relation} AS {sql}"
        ((rows,),) = self._session.rows(self._uploads.rewritten(text))
        return int(rows)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """Drop the tables of examples, and close the connection."""
        for place in self._uploads.made:
            with suppress(QueryError):
                self._session.execute(f"DROP TABLE IF EXISTS {place}")
        self._session.close()


def _catalog_query(catalog: str | None, names: Iterable[RelationName]) -> str:
    places = sorted((str(name.schema), name.name) for name in names if name.database == catalog)
    return (
        "SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type "
        f"FROM {quoted(str(catalog), _DIALECT)}.information_schema.columns WHERE {is_one_of(places, _DIALECT)}"
    )
