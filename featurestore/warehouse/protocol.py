"""What a warehouse must do: say what columns things have, run SQL, take a spine; Arrow in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from featurestore.definitions.views import Column


class Warehouse(Protocol):
    """One open connection to a warehouse; temporary tables live as long as it does.

    All methods raise WarehouseError when the warehouse cannot be reached, QueryError when it refuses a statement.
    """

    dialect: str

    def columns(self, relations: Iterable[str]) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each relation that exists, in table order; one round trip for all of them.

        Args:
            relations: as dbt renders them, e.g. ``"shop"."main"."user_orders"``.
        """
        ...

    def schema(self, sql: str) -> tuple[Column, ...]:
        """Columns that a SELECT would yield; nothing is run."""
        ...

    def upload(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable in SQL as the temporary relation `name`."""
        ...

    def scan(self, path: Path) -> str | None:
        """The SELECT that reads a CSV or Parquet file; None if this warehouse cannot, so that it is uploaded."""
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

    def write_table(self, relation: str, statements: Sequence[str], sql: str) -> int:
        """Run `statements`, then store the rows of `sql` as the new table `relation`; returns how many."""
        ...

    def close(self) -> None:
        """Close the connection and drop its temporary tables."""
        ...
