"""One connection of a driver that speaks Python's DB-API, worked from a thread of its own.

Warehouses are built from it; what differs between their drivers stays in their own files.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa

from featurestore.errors import QueryError
from featurestore.warehouse.value_types import record_batch
from featurestore.warehouse.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")


class Cursor(Protocol):
    """What every DB-API cursor has, and what most have."""

    description: Any

    def execute(self, operation: str) -> object:
        """Run one statement."""
        ...

    def fetchmany(self, size: int) -> Sequence[Sequence[object]]:
        """The next rows; none at the end."""
        ...

    def fetchall(self) -> Sequence[Sequence[object]]:
        """All rows that are left."""
        ...

    def close(self) -> object:
        """Give up what is left."""
        ...


class Connection(Protocol):
    """What every DB-API connection has."""

    def cursor(self) -> Any:  # noqa: ANN401  drivers add methods of their own
        """A new cursor."""
        ...

    def close(self) -> object:
        """End the session."""
        ...


class DbApiSession:
    """Statements and rows of one connection.

    Args:
        connection: the driver's.
        label: the warehouse's name, for messages.
        refusals: the driver's own errors.
        missing: says of an error's text whether a table is missing.
        cancel: stops, from another thread, what a cursor runs.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        label: str,
        refusals: tuple[type[Exception], ...],
        missing: Callable[[str], bool],
        cancel: Callable[[Any], None],
    ) -> None:
        self.connection = connection
        self._label = label
        self._refusals = refusals
        self._missing = missing
        self._cancel_cursor = cancel
        self._cursor: Cursor | None = None
        self._worker = Worker(label.lower(), self.cancel)

    def execute(self, statement: str) -> None:
        """Run one statement to its end; some drivers run it only while its result is fetched."""

        def work() -> None:
            cursor = self._cursor = self.connection.cursor()
            cursor.execute(statement)
            if cursor.description:
                cursor.fetchall()

        self.run(work)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one SELECT and take all its rows."""
        return [tuple(row) for row in self.run(lambda: self.opened(statement).fetchall())]

    def opened(self, statement: str) -> Any:  # noqa: ANN401  drivers add methods of their own
        """A cursor that has run one statement; call it within `run`."""
        cursor = self._cursor = self.connection.cursor()
        cursor.execute(statement)
        return cursor

    def batches(self, cursor: Cursor, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Pull rows as they come; a query may still run, so this is where it may fail."""
        while got := self.run(lambda: cursor.fetchmany(rows)):
            yield record_batch(got, schema)

    def run(self, work: Callable[[], Result]) -> Result:
        """Do it in the connection's thread.

        Raises:
            QueryError: the driver raised one of its errors.
        """
        try:
            return self._worker.run(work)
        except self._refusals as error:
            said = " ".join(str(error).split()) or type(error).__name__
            hint = "run dbt build, if this is a table of dbt's" if self._missing(said) else None
            raise QueryError(f"{self._label} refused a statement: {said}", hint=hint) from error

    def cancel(self) -> None:
        """Stop what runs now."""
        cursor = self._cursor
        if cursor is not None:
            with suppress(*self._refusals):
                self._cancel_cursor(cursor)

    def abandon(self) -> None:
        """Stop what runs now, and give up its rows."""
        self.cancel()
        if self._cursor is not None:
            self._worker.leave(self._cursor.close)

    def close(self) -> None:
        """End the session."""
        self._worker.close()
        with suppress(*self._refusals):
            self.connection.close()
