"""The part of Snowflake's connector that is used here; it is loaded only when a session is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


class ResultColumn(Protocol):
    """What the connector says of a result's column; `type_code` is a number of its own."""

    name: str
    type_code: int
    precision: int | None
    scale: int | None


class Cursor(Protocol):
    """The part of the connector's cursor that is used here."""

    description: list[ResultColumn]

    def execute(self, command: str) -> object:
        """Run one statement."""
        ...

    def describe(self, command: str) -> list[ResultColumn]:
        """Say what columns it would yield."""
        ...

    def fetchall(self) -> list[tuple[object, ...]]:
        """All rows."""
        ...

    def fetch_arrow_batches(self) -> Iterator[pa.Table]:
        """All rows, in parts."""
        ...

    def close(self) -> object:
        """Give up the rest."""
        ...


class Connection(Protocol):
    """The part of the connector's connection that is used here."""

    def cursor(self) -> Cursor:
        """A new cursor of the same session."""
        ...

    def close(self) -> None:
        """End the session."""
        ...
