"""DuckDB: rows into a table, in one transaction, after a rehearsal with no rows.

The rehearsal makes every temporary table empty and binds the last SELECT, then takes all of it back. So a table that
exists already, cannot be made, or has other columns is refused before the work.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from featurestore.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.views import Column
    from featurestore.warehouse.duckdb import DuckDBWarehouse
    from featurestore.warehouse.protocol import TableWrite

_STAGED = '"__written rows"'
_MAKES = re.compile(r"^\s*CREATE\s+TEMP(?:ORARY)?\s+TABLE\b", re.IGNORECASE)
_MAKE = {"create": "CREATE TABLE", "replace": "CREATE OR REPLACE TABLE"}


def write(warehouse: DuckDBWarehouse, table: TableWrite, statements: Sequence[str], sql: str) -> int:
    """Store the rows of `sql`; arguments and errors as in `warehouse.protocol.Warehouse.write_table`."""
    mode = "create" if table.mode == "append" and not _exists(warehouse, table) else table.mode
    _rehearse(warehouse, table, mode, statements, sql)
    for statement in statements:
        warehouse.execute(statement)
    if mode != "append":
        rows = _with_partition(table, sql)
        warehouse.execute(f"{_MAKE[mode]} {table.relation} AS {rows}")
        return _count(warehouse, table.relation)
    warehouse.execute(f"CREATE TEMPORARY TABLE {_STAGED} AS {_with_partition(table, sql)}")
    with _transaction(warehouse):
        if table.partition is not None:
            column, value = table.partition
            warehouse.execute(f"DELETE FROM {table.relation} WHERE {_quoted(column)} = {_literal(value)}")
        warehouse.execute(f"INSERT INTO {table.relation} BY NAME SELECT * FROM {_STAGED}")
    rows_added = _count(warehouse, _STAGED)
    warehouse.execute(f"DROP TABLE {_STAGED}")
    return rows_added


def _rehearse(warehouse: DuckDBWarehouse, table: TableWrite, mode: str, statements: Sequence[str], sql: str) -> None:
    with _transaction(warehouse, keep=False):
        if mode != "append":  # first, so that a name that cannot be is told before anything else
            warehouse.execute(f"{_MAKE[mode]} {table.relation} (x INTEGER)")
            return
        before = warehouse.schema(f"SELECT * FROM {table.relation}")
        for statement in statements:
            if _MAKES.match(statement):
                warehouse.execute(f"{statement} WITH NO DATA")
        _refuse_other_columns(table, before, warehouse.schema(_with_partition(table, sql)))


def _refuse_other_columns(table: TableWrite, before: Sequence[Column], new: Sequence[Column]) -> None:
    theirs = {column.name.casefold(): column for column in before}
    ours = {column.name.casefold(): column for column in new}
    problems = [
        f"the training set has no column '{column.name}'" for name, column in theirs.items() if name not in ours
    ]
    for name, column in ours.items():
        if name not in theirs:
            problems.append(f"the table has no column '{column.name}'")
        elif theirs[name].type != column.type:
            problems.append(
                f"column '{column.name}' is {theirs[name].type} in the table, and {column.type} in what comes"
            )
    if problems:
        partition = f"; the partition's column is {table.partition[0]}" if table.partition is not None else ""
        raise QueryError(
            f"cannot append to {table.relation}: {', '.join(problems)}",
            hint=f"append what has the table's columns, or replace the table{partition}",
        )


def _with_partition(table: TableWrite, sql: str) -> str:
    """The rows, with the partition's column at the end."""
    if table.partition is None:
        return sql
    column, value = table.partition
    return f"SELECT *, CAST({_literal(value)} AS VARCHAR) AS {_quoted(column)} FROM ({sql}) AS __written"


def _exists(warehouse: DuckDBWarehouse, table: TableWrite) -> bool:
    """Whether a table or view of the name is there; a name in a schema that is not there is none either."""
    try:
        warehouse.schema(f"SELECT * FROM {table.relation}")
    except QueryError as error:
        if "does not exist" in error.what:
            return False
        raise
    return True


def _count(warehouse: DuckDBWarehouse, relation: str) -> int:
    return int(warehouse.read(f"SELECT count(*) AS n FROM {relation}").read_all().column("n")[0].as_py())


@contextmanager
def _transaction(warehouse: DuckDBWarehouse, *, keep: bool = True) -> Iterator[None]:
    """All or nothing; what fails, is interrupted, or is not to be kept is taken back."""
    warehouse.execute("BEGIN")
    try:
        yield
        warehouse.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        with suppress(QueryError):  # DuckDB takes some transactions back by itself
            warehouse.execute("ROLLBACK")
        raise


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
