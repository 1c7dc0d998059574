"""What an online store must do: read rows by key, write them under the guard, keep a few notes.

The guard (SEMANTICS O1): a row lands iff its (event time, created time) is greater than or equal to the
stored pair, decided inside the store. Rows are opaque bytes made by `online.codec`; keys by `online.keys`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_CREATED_TIME = -(2**63)
"""Created time of a row that has none: ranks lowest (SEMANTICS P4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Encoded rows of one view, as parallel lists of equal length.

    Attributes:
        keys: the store's keys.
        values: encoded rows, header included.
        event_us: event times, microseconds since 1970, UTC.
        created_us: created times, microseconds; `NO_CREATED_TIME` where there is none.
        expires_ms: when the store may forget each row, Unix milliseconds; None when never.
    """

    keys: list[bytes]
    values: list[bytes]
    event_us: list[int]
    created_us: list[int]
    expires_ms: list[int] | None = None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.keys)


class OnlineStore(Protocol):
    """One open online store. All methods raise OnlineStoreError when the store cannot be reached."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of `keys`, duplicates answered, None where there is none."""
        ...

    def write(self, batch: RowBatch) -> int:
        """Write rows under the guard; returns how many landed. One key may occur several times in a batch."""
        ...

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows without a guard; returns how many there were."""
        ...

    def read_note(self, name: str) -> bytes | None:
        """Read a note (watermark, layout, generation), None if there is none."""
        ...

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note, replacing what was there."""
        ...

    def close(self) -> None:
        """Release connections; the store may not be used afterwards."""
        ...
