"""DuckDB: rows into a table, in one transaction.

A name that cannot be a new table is refused before the work: the table is made, and taken back.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from featurestore.errors import QueryError
from featurestore.warehouse.duckdb.names import literal, quoted
from featurestore.warehouse.table_columns import refuse_other_columns, with_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from featurestore.warehouse.protocol import TableWrite, Warehouse

_ADDED = "__added rows"
_STAGED = '"__written rows"'
_MAKE = {"create": "CREATE TABLE", "replace": "CREATE OR REPLACE TABLE"}


def write(warehouse: Warehouse, table: TableWrite, statements: Iterable[str], sql: str) -> int:
    """Store the rows of `sql`; arguments and errors as in `warehouse.protocol.Warehouse.write_table`."""
    mode = "create" if table.mode == "append" and not _exists(warehouse, table) else table.mode
    if mode in _MAKE:
        with _transaction(warehouse, keep=False):
            warehouse.execute(f"{_MAKE[mode]} {table.relation} (x INTEGER)")
    for statement in statements:
        warehouse.execute(statement)
    rows = with_partition(table, sql, warehouse.dialect)
    if mode in _MAKE:
        warehouse.execute(f"{_MAKE[mode]} {table.relation} AS {rows}")
        return _count(warehouse, table.relation)
    warehouse.execute(f"CREATE OR REPLACE TEMPORARY TABLE {_STAGED} AS {rows}")
    refuse_other_columns(
        table,
        before=warehouse.schema(f"SELECT * FROM {table.relation}"),
        new=warehouse.schema(f"SELECT * FROM {_STAGED}"),
    )
    with _transaction(warehouse):
        if table.partition is not None:
            column, value = table.partition
            warehouse.execute(f"DELETE FROM {table.relation} WHERE {quoted(column)} = {literal(value)}")
        warehouse.execute(f"INSERT INTO {table.relation} BY NAME SELECT * FROM {_STAGED}")
    rows_added = _count(warehouse, _STAGED)
    warehouse.execute(f"DROP TABLE {_STAGED}")
    return rows_added


def append(warehouse: Warehouse, relation: str, rows: pa.Table, known_by: Sequence[str]) -> int:
    """Add rows; arguments and errors as in `warehouse.protocol.TakesRows.append`."""
    warehouse.upload(_ADDED, rows)
    added = quoted(_ADDED)
    columns = warehouse.schema(f"SELECT * FROM {added}")
    with _transaction(warehouse):
        warehouse.execute(f"CREATE TABLE IF NOT EXISTS {relation} AS SELECT * FROM {added} LIMIT 0")
        there = {column.name.casefold() for column in warehouse.schema(f"SELECT * FROM {relation}")}
        for column, declared in zip(columns, _declared(warehouse, added), strict=True):
            if column.name.casefold() not in there:
                warehouse.execute(f"ALTER TABLE {relation} ADD COLUMN {quoted(column.name)} {declared}")
        new = f"SELECT * FROM {added}"
        if known_by:
            new += f" ANTI JOIN {relation} USING ({', '.join(map(quoted, known_by))})"
        count = _count(warehouse, f"({new})")
        warehouse.execute(f"INSERT INTO {relation} BY NAME {new}")
    return count


def _declared(warehouse: Warehouse, added: str) -> list[str]:
    """DuckDB's own names of the types of what is added, column by column."""
    described = warehouse.read(f"SELECT column_type FROM (DESCRIBE SELECT * FROM {added})").read_all()
    return [str(each) for each in described.column(0).to_pylist()]


def _exists(warehouse: Warehouse, table: TableWrite) -> bool:
    """Whether a table or view of the name is there."""
    try:
        warehouse.schema(f"SELECT * FROM {table.relation}")
    except QueryError as error:
        if "does not exist" in error.what:
            return False
        raise
    return True


def _count(warehouse: Warehouse, relation: str) -> int:
    return int(warehouse.read(f"SELECT count(*) AS n FROM {relation}").read_all().column("n")[0].as_py())


@contextmanager
def _transaction(warehouse: Warehouse, *, keep: bool = True) -> Iterator[None]:
    """All or nothing; what fails, is interrupted, or is not to be kept is taken back."""
    warehouse.execute("BEGIN")
    try:
        yield
        warehouse.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        with suppress(QueryError):  # DuckDB takes some transactions back by itself
            warehouse.execute("ROLLBACK")
        raise
