"""The part of `clickhouse_connect` that is used here; it is loaded only when a session is opened."""

from __future__ import annotations

from typing import Protocol


class Stream(Protocol):
    """Bytes of a running query."""

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        ...

    def close(self) -> None:
        """Give up the rest."""
        ...


class Client(Protocol):
    """The part of `clickhouse_connect`'s client that is used here."""

    def command(self, cmd: str) -> object:
        """Run one statement."""
        ...

    def raw_query(self, query: str, *, fmt: str) -> bytes:
        """Run one SELECT and take its whole result."""
        ...

    def raw_stream(self, query: str, *, settings: dict[str, int], fmt: str) -> Stream:
        """Run one SELECT and stream its result."""
        ...

    def raw_insert(self, table: str, *, insert_block: bytes, fmt: str) -> object:
        """Insert rows."""
        ...

    def set_client_setting(self, key: str, value: str) -> None:
        """Set something for all statements to come."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
