"""BigQuery through its own client: one session, results as Arrow, examples by a load job.

Never run against a BigQuery: what is checked is the text of every statement, and the calls to the client. A session
keeps temporary tables from one query to the next.
"""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.types import is_known, parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError
from featurestore.warehouse.bigquery.types import as_bigquery_takes, field_type, type_of
from featurestore.warehouse.names import RelationName, literal, quoted, relation_name
from featurestore.warehouse.table_columns import columns_before, with_partition
from featurestore.warehouse.value_types import arrow_type
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from featurestore.warehouse.protocol import Ability, TableWrite

Result = TypeVar("Result")

_DIALECT = "bigquery"
_STAGED_FOR = timedelta(hours=6)


class BigQueryWarehouse:
    """One session. See `featurestore.warehouse.protocol.Warehouse`.

    Args:
        client: of `google.cloud.bigquery`.
        library: that module, for the configuration of jobs.
        refusals: its errors.
        home: project and dataset in which examples are staged.
        limits: options that every query's configuration gets, None for none.
    """

    dialect = _DIALECT
    lacks: frozenset[Ability] = frozenset()

    def __init__(
        self,
        client: Any,  # noqa: ANN401  the driver is loaded only where it is used
        library: Any,  # noqa: ANN401
        *,
        refusals: tuple[type[Exception], ...],
        home: RelationName,
        limits: Mapping[str, object],
    ) -> None:
        self._client = client
        self._library = library
        self._refusals = refusals
        self._home = home
        self._limits = {name: value for name, value in limits.items() if value is not None}
        self._session: str | None = None
        self._job: Any = None
        self._worker = Worker("bigquery", self._cancel)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order, asked for all at once."""
        names = {relation: relation_name(relation, _DIALECT).within(self._home) for relation in relations}
        if not names:
            return {}
        datasets = {(str(name.database), str(name.schema)) for name in names.values()}
        queries = [_catalog_query(project, dataset, names.values()) for project, dataset in sorted(datasets)]
        text = f"{' UNION ALL '.join(queries)} ORDER BY 1, 2, 3, 4"
        found: dict[tuple[str, ...], list[Column]] = {}
        for project, dataset, table, _, name, kind in self._rows(text):
            column = Column(name=str(name), type=parse_type(str(kind), dialect=_DIALECT))
            found.setdefault((str(project), str(dataset), str(table)), []).append(column)
        keys = {relation: (str(name.database), str(name.schema), name.name) for relation, name in names.items()}
        return {relation: tuple(found[key]) for relation, key in keys.items() if key in found}

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is a dry run, which costs nothing."""
        job = self._run(lambda: self._client.query(sql, job_config=self._config(dry_run=True)))
        return tuple(Column(name=field.name, type=type_of(field)) for field in job.schema)

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: it has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Load an Arrow table, as Parquet, into a table that ends by itself, and copy it into the temporary `name`."""
        table = as_bigquery_takes(table)
        place = self._home.beside("featurestore_examples_", _DIALECT)
        target = place.replace("`", "")
        sink = io.BytesIO()
        pq.write_table(table, sink)
        sink.seek(0)
        config = self._library.LoadJobConfig(
            source_format="PARQUET",
            write_disposition="WRITE_EMPTY",
            schema=[self._library.SchemaField(field.name, field_type(field)) for field in table.schema],
        )
        try:
            self._finish(lambda: self._client.load_table_from_file(sink, target, job_config=config))
            ends = (datetime.now(timezone.utc) + _STAGED_FOR).isoformat(timespec="seconds")
            self.execute(
                f"ALTER TABLE {place} SET OPTIONS (expiration_timestamp = TIMESTAMP {literal(ends, _DIALECT)})"
            )
            self.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name, _DIALECT)} AS SELECT * FROM {place}")
        finally:
            self.execute(f"DROP TABLE IF EXISTS {place}")

    def scan(self, path: Path) -> str | None:  # noqa: ARG002
        """None: BigQuery does not see the files of this machine."""
        return None

    def execute(self, statement: str) -> None:
        """Run one statement in the session."""
        self._query(statement)

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows, over the Storage API where it is installed and allowed."""
        found = self._query(sql)
        batches = iter(self._run(found.to_arrow_iterable))
        first = self._run(lambda: next(batches, None))
        schema = pa.schema([_arrow_field(field, first) for field in found.schema])
        return pa.RecordBatchReader.from_batches(schema, self._batches(first, batches, schema, batch_rows))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: the work is not done in this process."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._cancel()

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` in one atomic statement, or one transaction to append."""
        sql = with_partition(table, sql, _DIALECT)
        known = columns_before(self, table)
        for statement in statements:
            self.execute(statement)
        if known and table.mode == "append":
            return self._append(table, known, sql)
        verb = "CREATE OR REPLACE TABLE" if table.mode == "replace" else "CREATE TABLE"
        self.execute(f"{verb} {table.relation} AS {sql}")
        return self._count(table.relation)

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:  # noqa: ARG002
        """Nothing: rows are streamed, so that a file is whole or not there."""
        return None

    def close(self) -> None:
        """End the session; its temporary tables go with it."""
        if self._session is not None:
            with suppress(QueryError):
                self._query("CALL BQ.ABORT_SESSION()")
        self._worker.close()
        self._client.close()

    def _append(self, table: TableWrite, known: Sequence[Column], sql: str) -> int:
        """Compute first; then delete and insert in one transaction, which is undone where either fails."""
        made = quoted("__new rows", _DIALECT)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {made} AS {sql}")
        columns = ", ".join(quoted(column.name, _DIALECT) for column in self.schema(f"SELECT * FROM {made}"))
        changes = [f"INSERT INTO {table.relation} ({columns}) SELECT {columns} FROM {made}"]
        if table.partition is not None:
            name, value = table.partition
            if name.casefold() not in {column.name.casefold() for column in known}:
                raise QueryError(f"the table {table.relation} has no column '{name}' to be a partition")
            same = f"CAST({quoted(name, _DIALECT)} AS STRING) = {literal(value, _DIALECT)}"
            changes.insert(0, f"DELETE FROM {table.relation} WHERE {same}")
        work = " ".join(f"{change};" for change in changes)
        self.execute(
            f"BEGIN BEGIN TRANSACTION; {work} COMMIT TRANSACTION; "
            "EXCEPTION WHEN ERROR THEN ROLLBACK TRANSACTION; RAISE; END"
        )
        return self._count(made)

    def _count(self, relation: str) -> int:
        ((rows,),) = self._rows(f"SELECT COUNT(*) FROM {relation}")
        return int(str(rows))

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        found = self._query(sql)
        return self._run(lambda: [tuple(row.values()) for row in found])

    def _query(self, sql: str) -> Any:  # noqa: ANN401
        found = self._finish(lambda: self._client.query(sql, job_config=self._config()))
        if self._session is None:
            self._session = self._job.session_info.session_id
        return found

    def _finish(self, start: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Start a job and wait for it; it is known to `_cancel` from the moment it runs."""

        def work() -> object:
            self._job = start()
            return self._job.result()

        return self._run(work)

    def _config(self, *, dry_run: bool = False) -> Any:  # noqa: ANN401
        """A query's configuration: in the session, or, the first time, one that begins it."""
        made = self._library.QueryJobConfig(dry_run=dry_run, **self._limits)
        if self._session is not None:
            made.connection_properties = [self._library.ConnectionProperty("session_id", self._session)]
        elif not dry_run:
            made.create_session = True
        return made

    def _batches(
        self, first: pa.RecordBatch | None, others: Iterator[pa.RecordBatch], schema: pa.Schema, rows: int
    ) -> Iterator[pa.RecordBatch]:
        batch = first
        while batch is not None:
            yield from pa.Table.from_batches([batch]).cast(schema).to_batches(max_chunksize=rows)
            batch = self._run(lambda: next(others, None))

    def _cancel(self) -> None:
        if self._job is not None:
            with suppress(*self._refusals):
                self._job.cancel()

    def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return self._worker.run(work)
        except self._refusals as error:
            said = " ".join(str(error).split())
            hint = "run dbt build, if this is a table of dbt's" if "Not found: " in said else None
            raise QueryError(f"BigQuery refused a statement: {said}", hint=hint) from error


def _catalog_query(project: str, dataset: str, names: Iterable[RelationName]) -> str:
    tables = sorted({name.name for name in names if (name.database, name.schema) == (project, dataset)})
    wanted = ", ".join(literal(table, _DIALECT) for table in tables)
    place = f"{quoted(project, _DIALECT)}.{quoted(dataset, _DIALECT)}.INFORMATION_SCHEMA.COLUMNS"
    return (
        "SELECT table_catalog, table_schema, table_name, ordinal_position, column_name, data_type "
        f"FROM {place} WHERE table_name IN ({wanted})"
    )


def _arrow_field(field: Any, first: pa.RecordBatch | None) -> pa.Field:  # noqa: ANN401
    """A column's type; half-structured ones stay as they come."""
    kind = type_of(field)
    if first is not None and (not is_known(kind) or kind.startswith(("struct<", "list<"))):
        return pa.field(field.name, first.schema.field(field.name).type)
    return pa.field(field.name, arrow_type(kind))
