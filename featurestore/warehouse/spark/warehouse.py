"""Spark: the engine for data that outgrows one machine; rows are made, kept and written by its workers.

Spark has no temporary tables. A stage of a plan is written ``CACHE TABLE name AS SELECT``, which any Spark understands;
but Spark's cache is a hint: it may be passed by or computed again, and a spine that draws its examples by chance would
then be another one for each view. So here its rows are computed once (a local checkpoint: on the workers, in memory or
on their disks) and read under that name; if a worker is lost with them the query fails, and is never wrong. It needs no
right to write anywhere, works through Spark Connect, and goes with the session.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from featurestore.warehouse.spark import write
from featurestore.warehouse.spark.errors import is_missing, refused
from featurestore.warehouse.spark.types import arrow_schema, ddl, for_spark, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import SparkSession

    from featurestore.definitions.views import Column
    from featurestore.warehouse.protocol import Ability, TableWrite
    from featurestore.warehouse.spark.session import Engine

Result = TypeVar("Result")

_STAGE = re.compile(r"\s*CACHE TABLE `(?P<name>(?:[^`]|``)+)` AS\b(?P<sql>.*)", re.DOTALL | re.IGNORECASE)
_NOT_ONE_FILE = frozenset("*?[]{}\\=")  # a path with one of these is a pattern to Spark, or a part of a table
_UNTIL_NEXT_CANCEL_S = 0.2
_UNTIL_NEXT_LOOK_S = 0.1
_BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


class SparkWarehouse:
    """One Spark session of our own, with its temporary views.

    Raises QueryError from every method when Spark refuses a statement, WarehouseError when it is gone.
    """

    dialect = "spark"

    def __init__(self, engine: Engine, worker: ThreadPoolExecutor, *, lacks: frozenset[Ability]) -> None:
        self.lacks = lacks
        self._engine = engine
        self._session = engine.session
        self._worker = worker

    @property
    def is_local(self) -> bool:
        """Whether the workers run on this machine and see its files."""
        return self._engine.is_local

    def use(self, work: Callable[[SparkSession], Result], *, meanwhile: Callable[[], None]) -> Result:
        """Work with the session in the thread that it belongs to; errors and Ctrl-C are treated as a statement's.

        Args:
            work: what to do; it must not keep the session.
            meanwhile: called about ten times a second; what it raises stops the work, and is raised when that ended.
        """
        return self._run(lambda: work(self._session), meanwhile)

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order; the catalog is asked for one after the other."""
        return self._run(lambda: dict(self._described(relations)))

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; it is analysed, not run."""
        return self._run(lambda: write.columns_of(self._session, sql))

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """No: Spark has none."""
        return False

    def upload(self, name: str, table: pa.Table) -> None:
        """Send an Arrow table to Spark, and make it readable as `name`."""
        self._run(lambda: self._upload(name, for_spark(table)))

    def scan(self, path: Path) -> str | None:
        """The SELECT that reads one Parquet file; None for others, which Spark's SQL cannot, and far from this disk."""
        place = str(path)
        if path.suffix.lower() != ".parquet" or not self._engine.is_local or _NOT_ONE_FILE & set(place):
            return None
        return f"SELECT * FROM parquet.{quoted(f'file://{place}')}"

    def execute(self, statement: str) -> None:
        """Run one statement; what a stage of a plan yields is kept under its name."""
        stage = _STAGE.fullmatch(statement)
        if stage is None:
            self._run(lambda: self._session.sql(statement))
        else:
            self._run(lambda: self._engine.keep(stage["name"].replace("``", "`"), stage["sql"]))

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows, partition by partition; `write_files` is the way for large results."""
        schema, batches = self._run(lambda: self._start_reading(sql, batch_rows))
        return pa.RecordBatchReader.from_batches(schema, self._pulled(batches))

    def limit_memory(self, size_bytes: int) -> None:
        """Nothing: Java's memory is set when it starts, by ``spark.driver.memory`` in the profile's config."""

    def abandon(self) -> None:
        """Stop the query that is being read, and give up its rows."""
        self._engine.cancel()

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql`; a table that cannot be made is refused before the work."""
        self._run(lambda: write.refuse_table(self._session, table))
        for statement in statements:
            self.execute(statement)
        return self._run(lambda: write.write_table(self._engine, table, sql))

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:
        """Run `statements`, then let the workers write the rows of `sql` as a folder of Parquet files."""
        for statement in statements:
            self.execute(statement)
        return self._run(lambda: write.write_folder(self._engine, uri, sql))

    def close(self) -> None:
        """Drop what the session holds; a Spark that runs beside this process stays for the next one."""
        try:
            self._run(self._drop_views)
        finally:
            self._worker.shutdown()

    def _described(self, relations: Iterable[str]) -> Iterator[tuple[str, tuple[Column, ...]]]:
        from pyspark.errors import AnalysisException

        for relation in dict.fromkeys(relations):
            try:
                yield relation, write.columns_of(self._session, f"SELECT * FROM {relation}")
            except AnalysisException as error:
                if not is_missing(error):
                    raise

    def _upload(self, name: str, table: pa.Table) -> None:
        columns = ddl(table.schema)
        major = int(self._session.version.partition(".")[0])
        # Spark 3.5 takes no Arrow table, and rows one by one are the only other way that keeps integers with NULLs.
        rows = table if major >= 4 else [tuple(row.values()) for row in table.to_pylist()]
        self._session.createDataFrame(rows, schema=columns).createOrReplaceTempView(quoted(name))

    def _start_reading(self, sql: str, batch_rows: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        self._session.conf.set(_BATCH_ROWS, str(batch_rows))
        frame = self._session.sql(sql)
        schema = arrow_schema(frame.schema)
        return schema, self._engine.batches(frame, schema)

    def _pulled(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pull batches; the query runs while they are pulled, so this is where it may fail."""
        while (batch := self._run(lambda: next(batches, None))) is not None:
            yield batch

    def _drop_views(self) -> None:
        for view in self._session.sql("SHOW VIEWS LIKE '__*'").collect():
            if view["isTemporary"]:
                self._session.sql(f"DROP VIEW IF EXISTS {quoted(view['viewName'])}")
        self._engine.end()

    def _run(self, work: Callable[[], Result], meanwhile: Callable[[], None] | None = None) -> Result:
        """Work in our thread, which Ctrl-C does not reach; here it cancels what runs, until it has ended."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        future = self._worker.submit(work)
        try:
            while not future.done():
                wait((future,), timeout=_UNTIL_NEXT_LOOK_S)
                if meanwhile is not None:
                    meanwhile()
        except BaseException:
            while not future.done():
                self._engine.cancel()  # again, since a query may just be about to start its first job
                wait((future,), timeout=_UNTIL_NEXT_CANCEL_S)
            raise
        try:
            return future.result()
        except (PySparkException, Py4JError, pa.ArrowException, OSError) as error:
            raise refused(error) from error
