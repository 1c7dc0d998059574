"""What an online store must do: read rows by key, write them under the guard, keep a few notes and leases.

The guard (SEMANTICS O1): a row lands iff its (event time, created time) is greater than or equal to the
stored pair, decided inside the store. Rows are opaque bytes made by `online.codec`; keys by `online.keys`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

NO_CREATED_TIME = -(2**63)
"""Created time of a row that has none: ranks lowest (SEMANTICS P4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Encoded rows of one view, as parallel Arrow arrays of equal length and without nulls.

    Attributes:
        keys: large_binary; the store's keys. One key may occur several times: of equal pairs the last one stays.
        values: large_binary; encoded rows, header included.
        event_us: int64; event times, microseconds since 1970, UTC.
        created_us: int64; created times, microseconds; `NO_CREATED_TIME` where there is none.
        expires_ms: int64; when the store may forget each row, Unix milliseconds; None when never.
    """

    keys: pa.Array
    values: pa.Array
    event_us: pa.Array
    created_us: pa.Array
    expires_ms: pa.Array | None = None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.keys)

    def take(self, places: pa.Array) -> RowBatch:
        """Return the rows at these places, in this order.

        Args:
            places: integers; a key's occurrences should keep their order.
        """
        return RowBatch(
            keys=self.keys.take(places),
            values=self.values.take(places),
            event_us=self.event_us.take(places),
            created_us=self.created_us.take(places),
            expires_ms=None if self.expires_ms is None else self.expires_ms.take(places),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that somebody holds.

    Attributes:
        owner: who, as given to `OnlineStore.take_lease`.
        ends_in_s: how long yet, by the store's clock, unless it is prolonged; None where the store does not tell.
    """

    owner: str
    ends_in_s: float | None


class OnlineStore(Protocol):
    """One open online store of one project; may be shared by threads.

    All methods raise OnlineStoreError when the store cannot be reached or refuses.

    Attributes:
        keeps_key_order: whether rows lie in the order of their keys, so that a batch in that order is cheaper to write.
    """

    keeps_key_order: bool

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, duplicates answered, None where there is none; then the notes likewise.

        One round trip where the store can; this is the lookup path, with its short timeouts.
        """
        ...

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Do what `read` does, without blocking the event loop."""
        ...

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows as `read` does, with the patience of a write: for syncs, not for lookups."""
        ...

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:
        """Write rows under the guard; returns how many landed.

        Args:
            batch: the rows.
            expect_new: a hint, for speed alone, that the store holds hardly any of these keys.
        """
        ...

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows without a guard; returns how many there were."""
        ...

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys of this store's rows that begin with `prefix`, in any order, each at least once.

        Keys that are written or deleted meanwhile may or may not be among them.
        """
        ...

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes in the store, its key and bookkeeping included; 0 where there is none."""
        ...

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say about how many bytes a row takes beside its key and its value."""
        ...

    def read_note(self, name: str) -> bytes | None:
        """Read a note (state of a view, layout, generation), None if there is none; more patient than `read`."""
        ...

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note, replacing what was there."""
        ...

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, atomically; None is no note. Returns whether it was."""
        ...

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        ...

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease, which ends by itself after so many seconds by the store's clock.

        Returns:
            Who holds it now: `owner` if it was free, ended, or already theirs; else the other one.
        """
        ...

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease, None if nobody does; it is neither taken nor prolonged."""
        ...

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back; nothing happens if another one holds it."""
        ...

    def close(self) -> None:
        """Release connections; the next use opens them again."""
        ...
