"""The online store in one SQLite file: the default on a laptop, many readers and one writer at a time.

The guard (SEMANTICS O1) is the WHERE of an upsert; a batch is one transaction, so that
a killed writer leaves whole rows (O7).
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
from itertools import chain
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError
from featurestore.online.prefixes import end_of_prefix
from featurestore.online.protocol import Lease
from featurestore.online.sqlite.file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from featurestore.online.protocol import RowBatch

PURGED_PER_WRITE = 10_000
_KEYS_PER_STATEMENT = 500
_KEYS_PER_PAGE = 10_000
_ROWS_PER_INSERT = 50
"""Rows in one statement: half the time of one statement per row."""

_LIVES = "(expires_ms IS NULL OR expires_ms > ?)"
_ONE_ROW = f"SELECT value FROM kv WHERE key = ? AND {_LIVES}"
_PURGE = "DELETE FROM kv WHERE key IN (SELECT key FROM kv WHERE expires_ms <= ? LIMIT ?)"
_PAGE = f"SELECT key FROM kv WHERE key >= ? AND key < ? AND {_LIVES} ORDER BY key LIMIT {_KEYS_PER_PAGE}"
_READ_NOTE = "SELECT value FROM note WHERE project = ? AND name = ?"
_WRITE_NOTE = "INSERT INTO note VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DROP_NOTE = "DELETE FROM note WHERE project = ? AND name = ?"
_NOTES = "SELECT name FROM note WHERE project = ?"
_TAKE_LEASE = """INSERT INTO lease VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET owner = excluded.owner, ends_ms = excluded.ends_ms
    WHERE lease.owner = excluded.owner OR lease.ends_ms <= ?5"""
_HOLDER = "SELECT owner FROM lease WHERE project = ? AND name = ?"
_LEASE = "SELECT owner, ends_ms FROM lease WHERE project = ? AND name = ?"
_END_LEASE = "DELETE FROM lease WHERE project = ? AND name = ? AND owner = ?"
_LAST = b"\xff" * 16
"""No key of ours begins like this."""


class SqliteStore:
    """See `online.protocol.OnlineStore`."""

    keeps_key_order = True

    def __init__(self, path: Path, *, project: str) -> None:
        self._file = SqliteFile(path)
        self._project = project

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, None where there is none or it has expired; then the notes.

        Notes are read after the rows: a note that names the rows in use is never older than they are.

        Raises:
            OnlineStoreError: nothing was synced yet, or the file cannot be read.
        """
        file = self._file
        with file.lock:
            try:
                connection = file.reader()
                if connection is None:
                    raise OnlineStoreError(
                        f"the online store {file.path} does not exist: nothing was synced yet",
                        hint="run featurestore materialize",
                    )
                found = _values(connection, keys)
                for name in notes:
                    found.append(_note(connection, self._project, name))
            except (sqlite3.Error, OSError) as problem:
                raise file.error(problem) from problem
        return found

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read as `read` does, in a thread: a disk may be slow."""
        return await asyncio.to_thread(self.read, keys, notes)

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read as `read` does: it is as patient as a file can be."""
        return self.read(keys)

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:  # noqa: ARG002 -- an upsert has no faster way
        """Write rows under the guard in one transaction; returns how many landed.

        In the order of their keys, which is that of the file: each of its pages is touched once per batch.
        """
        import pyarrow.compute as pc

        batch = batch.take(pc.array_sort_indices(batch.keys))  # stable: of equal keys the last one stays last
        now_ms = _now_ms()
        expiries: Sequence[int | None] = (
            [None] * len(batch) if batch.expires_ms is None else batch.expires_ms.to_pylist()
        )
        columns = [array.to_pylist() for array in (batch.keys, batch.event_us, batch.created_us)]
        rows = list(zip(*columns, expiries, batch.values.to_pylist(), strict=True))
        last_full = len(rows) - len(rows) % _ROWS_PER_INSERT
        many = [
            list(chain.from_iterable(rows[at : at + _ROWS_PER_INSERT])) for at in range(0, last_full, _ROWS_PER_INSERT)
        ]
        with self._file.transaction() as connection:
            connection.execute(_PURGE, (now_ms, PURGED_PER_WRITE))
            before = connection.total_changes
            connection.executemany(_guarded_upsert(now_ms, rows=_ROWS_PER_INSERT), many)
            connection.executemany(_guarded_upsert(now_ms, rows=1), rows[last_full:])
            return connection.total_changes - before

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        now_ms, deleted = _now_ms(), 0
        with self._file.use() as connection:
            if connection is None:
                return 0
        with self._file.transaction() as connection:
            for chunk in _chunks(list(dict.fromkeys(keys))):
                among = f"FROM kv WHERE key IN ({_marks(len(chunk))})"
                deleted += connection.execute(f"SELECT count(*) {among} AND {_LIVES}", [*chunk, now_ms]).fetchone()[0]
                connection.execute(f"DELETE {among}", chunk)
        return deleted

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys that begin with `prefix`, in their order."""
        start, end = prefix, end_of_prefix(prefix) or _LAST
        while True:
            with self._file.use() as connection:
                found = [] if connection is None else connection.execute(_PAGE, (start, end, _now_ms())).fetchall()
            page = [key for (key,) in found]
            if page:
                yield page
            if len(page) < _KEYS_PER_PAGE:
                return
            start = page[-1] + b"\0"

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes in the file, about."""
        found: dict[bytes, int] = {}
        now_ms = _now_ms()
        with self._file.use() as connection:
            if connection is not None:
                for chunk in _chunks(keys):
                    sizes = f"SELECT key, length(key) + length(value) FROM kv WHERE key IN ({_marks(len(chunk))})"
                    found.update(connection.execute(f"{sizes} AND {_LIVES}", [*chunk, now_ms]).fetchall())
        overhead = self.overhead_bytes(expiring=False)
        return [found[key] + overhead if key in found else 0 for key in keys]

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say what a row takes beside key and value: its times, its header, and the room that pages leave empty."""
        return 95 if expiring else 45

    def read_note(self, name: str) -> bytes | None:
        """Read a note; None also when nothing was synced yet."""
        with self._file.use() as connection:
            return None if connection is None else _note(connection, self._project, name)

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._file.transaction() as connection:
            connection.execute(_WRITE_NOTE, (self._project, name, value))

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, in one transaction."""
        with self._file.transaction() as connection:
            if _note(connection, self._project, name) != old:
                return False
            if new is None:
                connection.execute(_DROP_NOTE, (self._project, name))
            else:
                connection.execute(_WRITE_NOTE, (self._project, name, new))
        return True

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        with self._file.use() as connection:
            found = [] if connection is None else connection.execute(_NOTES, (self._project,)).fetchall()
        return sorted(name for (name,) in found if name.startswith(prefix))

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease by this machine's clock; returns who holds it now."""
        with self._file.transaction() as connection:
            now_ms = _now_ms()  # the wait for the file is over
            connection.execute(_TAKE_LEASE, (self._project, name, owner, now_ms + int(seconds * 1000), now_ms))
            holder: str = connection.execute(_HOLDER, (self._project, name)).fetchone()[0]
        return holder

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease; None also when nothing was synced yet."""
        with self._file.use() as connection:
            held = None if connection is None else connection.execute(_LEASE, (self._project, name)).fetchone()
        now_ms = _now_ms()
        return None if held is None or held[1] <= now_ms else Lease(owner=held[0], ends_in_s=(held[1] - now_ms) / 1000)

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        with self._file.transaction() as connection:
            connection.execute(_END_LEASE, (self._project, name, owner))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _values(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[bytes | None]:
    """Rows that have not expired, in the order of the keys."""
    now_ms = _now_ms()
    if len(keys) == 1:  # the commonest lookup
        one = connection.execute(_ONE_ROW, (keys[0], now_ms)).fetchone()
        return [None if one is None else one[0]]
    found: dict[bytes, bytes] = {}
    for chunk in _chunks(list(dict.fromkeys(keys))):
        found.update(connection.execute(_select(len(chunk)), [*chunk, now_ms]).fetchall())
    return [found.get(key) for key in keys]


def _note(connection: sqlite3.Connection, project: str, name: str) -> bytes | None:
    found = connection.execute(_READ_NOTE, (project, name)).fetchone()
    return None if found is None else bytes(found[0])


@functools.lru_cache(maxsize=_KEYS_PER_STATEMENT)
def _select(count: int) -> str:
    return f"SELECT key, value FROM kv WHERE key IN ({_marks(count)}) AND {_LIVES}"


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        yield keys[start : start + _KEYS_PER_STATEMENT]


def _guarded_upsert(now_ms: int, *, rows: int) -> str:
    """Write the upsert of O1 for so many rows; a stored row that has expired guards nothing any more."""
    values = ", ".join(["(?, ?, ?, ?, ?)"] * rows)
    return f"""
        INSERT INTO kv (key, ev, cr, expires_ms, value) VALUES {values}
        ON CONFLICT (key) DO UPDATE
        SET ev = excluded.ev, cr = excluded.cr, expires_ms = excluded.expires_ms, value = excluded.value
        WHERE (excluded.ev, excluded.cr) >= (kv.ev, kv.cr) OR kv.expires_ms <= {now_ms:d}
    """
