"""Rows that Spark's workers write: a table, or a folder of Parquet files; only their number comes back here.

What is all or nothing:
- a new table: it enters the catalog when its rows are complete;
- ``replace`` and ``append`` with a partition, in a catalog of transactions (Delta, Iceberg): one commit;
- the same in a Hive or in-memory catalog: the new rows are written beside the old ones, then two renames. A failure
  before leaves the old table as it was. Between the renames a reader finds no table for a moment, and a process that is
  killed just there leaves the old rows whole in a table named ``<table>__before_..``;
- ``append`` with a partition to a table in folders by that column: the folder is exchanged at the end of the job;
- ``append``: the files of one job appear together at its end, as far as the file system renames them at once;
- a folder: written beside, then renamed, likewise. Where only a Spark Connect server sees the folder, it is written in
  place, and is whole when it holds ``_SUCCESS``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from featurestore.definitions.views import Column
from featurestore.errors import QueryError
from featurestore.warehouse.spark.errors import is_unsupported
from featurestore.warehouse.spark.session import Driver
from featurestore.warehouse.spark.types import our_type, quoted
from featurestore.warehouse.table_columns import refuse_other_columns, with_partition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from featurestore.warehouse.protocol import TableWrite
    from featurestore.warehouse.spark.session import Engine

_PARTS = re.compile(r"`(?:[^`]|``)*`|[^.`]+")


def refuse_table(session: SparkSession, table: TableWrite) -> None:
    """Refuse a table whose schema is missing, or that is there and was to be made; and a view.

    Raises:
        QueryError: it exists, or is a view.
        AnalysisException: its schema does not, or its name cannot be read.
    """
    parts = _PARTS.findall(table.relation)
    if len(parts) > 1:
        session.sql(f"SHOW TABLES IN {'.'.join(parts[:-1])} LIKE ''")
    if not session.catalog.tableExists(table.relation):
        return
    if table.mode == "create":
        raise QueryError(
            f"the table {table.relation} exists already", hint="name another, or say that it is to be replaced"
        )
    if session.catalog.getTable(table.relation).tableType == "VIEW":
        raise QueryError(f"{table.relation} is a view and no table", hint="choose another name, or drop it first")


def write_table(engine: Engine, table: TableWrite, sql: str) -> int:
    """Store the rows of `sql`, with the partition's column at their end; returns how many."""
    session = engine.session
    exists = table.mode != "create" and session.catalog.tableExists(table.relation)
    rows = with_partition(table, sql, "spark")
    if table.mode == "replace":
        return _replace(engine, table.relation, rows, exists=exists)
    if not exists:
        folders = [] if table.partition is None else [table.partition[0]]
        return _counted(engine, rows, lambda made: _new(made, table.relation, folders))
    before, new = columns_of(session, f"SELECT * FROM {table.relation}"), columns_of(session, rows)
    refuse_other_columns(table, before=before, new=new)
    in_order = f"SELECT {', '.join(quoted(column.name) for column in before)} FROM ({rows})"  # an insert is by place
    if table.partition is None:
        return _counted(engine, in_order, lambda made: made.write.insertInto(table.relation))
    return _replace_partition(engine, table.relation, table.partition, in_order)


def columns_of(session: SparkSession, sql: str) -> tuple[Column, ...]:
    """Columns that a SELECT would yield."""
    return tuple(Column(name=field.name, type=our_type(field.dataType)) for field in session.sql(sql).schema)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _new(rows: DataFrame, relation: str, folders: Sequence[str]) -> None:
    """Make a table, in folders by these columns."""
    (rows.write.partitionBy(*folders) if folders else rows.write).saveAsTable(relation)


def _counted(engine: Engine, sql: str, write: Callable[[DataFrame], None]) -> int:
    """Write the rows of a query, counted by the tasks that write them."""
    observation, count = engine.observation()
    write(engine.session.sql(sql).observe(observation, count))
    return int(observation.get["rows"])


def _replace(engine: Engine, relation: str, sql: str, *, exists: bool) -> int:
    from pyspark.errors import AnalysisException

    try:
        return _counted(engine, sql, lambda rows: rows.writeTo(relation).createOrReplace())
    except AnalysisException as error:
        if not is_unsupported(error):
            raise
    if not exists:
        return _counted(engine, sql, lambda rows: rows.write.saveAsTable(relation))
    return _swapped(engine, relation, lambda new: _counted(engine, sql, lambda rows: rows.write.saveAsTable(new)))


def _replace_partition(engine: Engine, relation: str, partition: tuple[str, str], sql: str) -> int:
    """Exchange the rows of a partition for new ones.

    One commit in a catalog of transactions; in others one folder, or the whole table where it is in no such folders.
    """
    from pyspark.errors import AnalysisException

    session = engine.session
    column, value = quoted(partition[0]), _literal(partition[1])
    is_in = f"{column} <=> {value}"
    try:
        return _counted(engine, sql, lambda rows: rows.writeTo(relation).overwrite(engine.condition(is_in)))
    except AnalysisException as error:
        if not is_unsupported(error):
            raise
    folders = [found.name for found in session.catalog.listColumns(relation) if found.isPartition]
    if [folder.casefold() for folder in folders] == [partition[0].casefold()]:
        rows = _counted(engine, sql, lambda made: made.write.mode("overwrite").insertInto(relation))
        if rows == 0:
            session.sql(f"ALTER TABLE {relation} DROP IF EXISTS PARTITION ({column} = {value})")
        return rows
    if folders and session.conf.get("spark.sql.catalogImplementation") == "in-memory":
        what = f"the catalog in memory loses the rows of {relation} when it is renamed, since it has partitions"
        raise QueryError(what, hint=f"partition it by {partition[0]} alone, or use a Hive catalog")
    kept = session.sql(f"SELECT * FROM {relation} WHERE NOT ({is_in})")
    return _swapped(
        engine,
        relation,
        lambda new: _counted(engine, sql, lambda rows: _new(kept.unionByName(rows), new, folders)),
    )


def _swapped(engine: Engine, relation: str, make: Callable[[str], int]) -> int:
    """Make a table beside `relation`, and let it take its place."""
    session = engine.session
    token = uuid4().hex[:8]
    new, before = _beside(relation, f"__new_{token}"), _beside(relation, f"__before_{token}")
    try:
        rows = make(new)
        session.sql(f"ALTER TABLE {relation} RENAME TO {before}")
        try:
            session.sql(f"ALTER TABLE {new} RENAME TO {relation}")
        except BaseException:
            session.sql(f"ALTER TABLE {before} RENAME TO {relation}")
            raise
    except BaseException:
        session.sql(f"DROP TABLE IF EXISTS {new}")
        raise
    session.sql(f"DROP TABLE IF EXISTS {before}")
    return rows


def _beside(relation: str, suffix: str) -> str:
    *schema, name = _PARTS.findall(relation)
    bare = name[1:-1].replace("``", "`") if name.startswith("`") else name
    return ".".join((*schema, quoted(bare + suffix)))


def write_folder(engine: Engine, uri: str, sql: str) -> int:
    """Write the rows of `sql` as a folder of Parquet files; returns how many.

    Args:
        engine: where the query runs.
        uri: of the folder; one that is there is replaced. A path without a scheme is of this machine when Spark runs
            on it, else of the cluster's own file system.
        sql: one SELECT.
    """
    if not isinstance(engine, Driver):
        return _counted(engine, sql, lambda rows: rows.write.parquet(uri))
    files = _Files(engine, f"file://{Path(uri).resolve()}" if engine.is_local and "://" not in uri else uri)
    token = uuid4().hex[:8]
    new, before = files.beside(f".partial_{token}"), files.beside(f".before_{token}")
    try:
        rows = _counted(engine, sql, lambda rows: rows.write.parquet(new))
        is_replaced = files.rename(files.uri, before)
        if not files.rename(new, files.uri):
            raise QueryError(f"cannot rename {new} to {uri}", hint="check the folder's permissions")
    finally:
        files.remove(new)
    if is_replaced:
        files.remove(before)
    return rows


class _Files:
    """Hadoop's view of the file system that a folder is to be in; renames are its only way to be whole at once."""

    def __init__(self, engine: Driver, uri: str) -> None:
        context = engine.session.sparkContext
        self.uri = uri.rstrip("/")
        self._path = context._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]  # noqa: SLF001
        self._system = self._path(uri).getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001

    def beside(self, suffix: str) -> str:
        """A hidden sibling of the folder."""
        parent, _, name = self.uri.rpartition("/")
        return f"{parent}/.{name}{suffix}"

    def rename(self, old: str, new: str) -> bool:
        """Rename; False if there is nothing to rename."""
        return bool(self._system.exists(self._path(old)) and self._system.rename(self._path(old), self._path(new)))

    def remove(self, uri: str) -> None:
        """Remove a folder, if it is there."""
        self._system.delete(self._path(uri), True)
