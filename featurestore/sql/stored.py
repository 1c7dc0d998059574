"""The SELECT that reads a stored training set back: its own columns, of its own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence


def stored_query(
    relation: str, columns: Sequence[str] | None, *, partition: tuple[str, str] | None = None, dialect: str
) -> str:
    """Write the SELECT that reads a table.

    Args:
        relation: the table's name as SQL.
        columns: which, in order; None for all.
        partition: read only rows with this text in this column.
        dialect: sqlglot's name of the warehouse.

    Returns:
        One SELECT; rows in any order.
    """
    wanted = [exp.column(name, quoted=True) for name in columns] if columns is not None else [exp.Star()]
    query = exp.select(*wanted).from_(exp.to_table(relation, dialect=dialect))
    if partition is not None:
        column, value = partition
        query = query.where(exp.EQ(this=exp.column(column, quoted=True), expression=exp.Literal.string(value)))
    return query.sql(dialect=dialect)
