"""Rows as a table takes them: with the partition's column, and of the same columns as the table that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import QueryError
from featurestore.warehouse.names import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column
    from featurestore.warehouse.protocol import TableWrite, Warehouse


def already_there(table: TableWrite) -> QueryError:
    """What is said of a table that must be new and is not."""
    hint = "replace it, or append to it: --replace or --append, in Python mode="
    return QueryError(f"the table {table.relation} already exists", hint=hint)


def columns_before(warehouse: Warehouse, table: TableWrite) -> tuple[Column, ...]:
    """Columns of the table that is there; none where it is not.

    Raises:
        QueryError: it is there, and must be new.
    """
    known = warehouse.columns([table.relation]).get(table.relation, ())
    if known and table.mode == "create":
        raise already_there(table)
    return known


def with_partition(table: TableWrite, sql: str, dialect: str) -> str:
    """The SELECT of the rows that are stored: those of `sql`, with the partition's column at the end, as text."""
    if table.partition is None:
        return sql
    column, value = table.partition
    marked = exp.cast(exp.Literal.string(value), exp.DataType.Type.TEXT).sql(dialect=dialect)
    return f"SELECT *, {marked} AS {quoted(column, dialect)} FROM (\n{sql}\n) AS {quoted('__written', dialect)}"


def refuse_other_columns(table: TableWrite, *, before: Sequence[Column], new: Sequence[Column]) -> None:
    """Refuse an append of other columns than the table has; their order does not matter.

    Args:
        table: where the rows are to be appended.
        before: its columns.
        new: columns of the rows, the partition's among them.

    Raises:
        QueryError: names each column that only one side has, or that differs in type.
    """
    theirs = {column.name.casefold(): column for column in before}
    ours = {column.name.casefold(): column for column in new}
    problems = [f"the training set has no column '{column.name}'" for key, column in theirs.items() if key not in ours]
    for key, column in ours.items():
        there = theirs.get(key)
        if there is None:
            problems.append(f"the table has no column '{column.name}'")
        elif there.type != column.type:
            problems.append(f"column '{column.name}' is {there.type} in the table, and {column.type} in what comes")
    if problems:
        raise QueryError(
            f"cannot append to {table.relation}: {', '.join(problems)}",
            hint="append what has the table's columns (a partition's too: --partition), or replace the table",
        )
