"""What a warehouse must do: say what columns things have, run SQL, take a spine; Arrow in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from featurestore.definitions.views import Column


Ability = Literal["asof", "temporary_tables", "indexes", "files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrite:
    """Where rows are to be stored in the warehouse, and what becomes of those that are there.

    Attributes:
        relation: the table's name as it stands in SQL.
        mode: ``create`` refuses a table that exists, ``replace`` takes its place whole, ``append`` adds to it.
        partition: with ``append``, a column and its value as text: rows that have it go, in the same transaction.
    """

    relation: str
    mode: Literal["create", "replace", "append"] = "create"
    partition: tuple[str, str] | None = None


class Warehouse(Protocol):
    """One open connection to a warehouse; temporary tables live as long as it does.

    All methods raise WarehouseError when the warehouse cannot be reached, QueryError when it refuses a statement.
    A KeyboardInterrupt while a statement runs stops it in the warehouse.

    Attributes:
        dialect: sqlglot's name of its SQL.
        lacks: what this connection cannot do although its dialect can, e.g. ``temporary_tables`` for a reading role.
    """

    dialect: str
    lacks: frozenset[Ability]

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order; one round trip for all of them.

        Args:
            relations: as dbt renders them, e.g. ``"shop"."main"."user_orders"``.
        """
        ...

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; nothing is run."""
        ...

    def has_index(self, relation: str, columns: Sequence[str]) -> bool:
        """Whether the table has an index that begins with these columns, in this order; False where there are none."""
        ...

    def upload(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable in SQL as the temporary relation `name`."""
        ...

    def scan(self, path: Path) -> str | None:
        """The SELECT that reads Parquet, CSV, TSV or JSON lines; None if this warehouse cannot, so that it is uploaded.

        Args:
            path: absolute; a file, or a pattern with ``*``, ``?`` and ``**`` whose files have one schema. Folders such
                as ``day=2026-06-01`` are columns then; a warehouse for which they are not answers None.
        """
        ...

    def execute(self, statement: str) -> None:
        """Run one statement that yields nothing."""
        ...

    def read(self, sql: str, *, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """Run one SELECT and stream its rows."""
        ...

    def limit_memory(self, size_bytes: int) -> None:
        """Keep the engine's memory under this, if it runs in this process and the user has set no limit."""
        ...

    def abandon(self) -> None:
        """Stop what `read` began, in whatever thread it is read, and give up its rows; other statements may follow."""
        ...

    def write_table(self, table: TableWrite, statements: Iterable[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` in `table`, all of them or none; returns how many.

        Each statement is run before the next is taken: what is asked of this connection in between may decide it.

        Raises:
            QueryError: the table exists already and was to be made, lacks a column, or cannot be written.
        """
        ...

    def write_files(self, uri: str, statements: Iterable[str], sql: str) -> int | None:
        """Run `statements`, then let the engine itself write the rows of `sql` as Parquet; returns how many.

        Args:
            uri: a path or an object store's URI; a file, or a folder for an engine of many workers.
            statements: what to run before.
            sql: one SELECT.

        Returns:
            None where this warehouse writes no files, so that its rows are streamed into one; it then `lacks`
            ``files``, which spares the caller to make ready for them.
        """
        ...

    def close(self) -> None:
        """Close the connection and drop its temporary tables."""
        ...


@runtime_checkable
class TakesRows(Protocol):
    """A warehouse into which rows of this process are added, time after time: what was served. Not all can."""

    def append(self, relation: str, rows: pa.Table, *, known_by: Sequence[str] = ()) -> int:
        """Add rows to a table, all of them or none, in one transaction; returns how many.

        The table is made if it is not there, and gets the columns that it lacks; columns that the rows lack are NULL.

        Args:
            relation: the table's name as it stands in SQL; its schema is there.
            rows: as Arrow has them; a column of another type than the table's is cast by the warehouse.
            known_by: columns; rows whose values in them the table has already are left out.

        Raises:
            QueryError: it is no table that can be written, or a value does not fit its column there.
        """
        ...
