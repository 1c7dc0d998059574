"""The online store in one SQLite file: the default on a laptop, many readers and one writer at a time.

The guard (SEMANTICS O1) is the WHERE of an upsert; a batch is one transaction, so that
a killed writer leaves whole rows (O7).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from featurestore.errors import OnlineStoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.online.protocol import OnlineStore, RowBatch

BUSY_TIMEOUT_S = 5.0
FORMAT = 1
"""`PRAGMA user_version` of a file that holds the tables below."""
_KEYS_PER_SELECT = 500
_PURGED_PER_WRITE = 10_000
_ROWS_PER_INSERT = 50
"""Rows in one statement: half the time of one statement per row."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS kv (
        key BLOB PRIMARY KEY, ev INTEGER NOT NULL, cr INTEGER NOT NULL, expires_ms INTEGER, value BLOB NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS kv_expires ON kv (expires_ms) WHERE expires_ms IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS note (
        project TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (project, name)
    ) WITHOUT ROWID""",
    f"PRAGMA user_version = {FORMAT}",
)
_PURGE = "DELETE FROM kv WHERE key IN (SELECT key FROM kv WHERE expires_ms <= ? LIMIT ?)"
_READ_NOTE = "SELECT value FROM note WHERE project = ? AND name = ?"
_KEYS_PER_PAGE = 10_000
_LEASES = """CREATE TABLE IF NOT EXISTS lease (
    project TEXT, name TEXT, owner TEXT NOT NULL, ends_ms INTEGER NOT NULL, PRIMARY KEY (project, name)
) WITHOUT ROWID"""
_TAKE_LEASE = """INSERT INTO lease VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET owner = excluded.owner, ends_ms = excluded.ends_ms
    WHERE lease.owner = excluded.owner OR lease.ends_ms <= ?5"""
_HOLDER = "SELECT owner FROM lease WHERE project = ? AND name = ?"
_WRITE_NOTE = "INSERT INTO note VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:
    """Open the store ``sqlite:PATH``; a relative path starts at `base_dir`.

    Raises:
        UsageError: the URI has no path.
    """
    path = uri.partition(":")[2].removeprefix("//")
    if not path:
        raise UsageError("the online store's URI has no path: sqlite:", hint="write sqlite:.featurestore/online.sqlite")
    return SqliteStore(base_dir / Path(path).expanduser(), project=project)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    connection: sqlite3.Connection
    process: int
    inode: int
    has_tables: bool = False


class SqliteStore:
    """See `online.protocol.OnlineStore`. The file is opened on first use, and again after a fork or a replacement."""

    def __init__(self, path: Path, *, project: str) -> None:
        self._path = path
        self._project = project
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, None where there is none or it has expired; then the notes.

        Raises:
            OnlineStoreError: nothing was synced yet, or the file cannot be read.
        """
        with self._lock, self._explained():
            connection = self._reader()
            if connection is None:
                raise OnlineStoreError(
                    f"the online store {self._path} does not exist: nothing was synced yet",
                    hint="run featurestore materialize",
                )
            found = _select(connection, keys)
            noted = [_read_note(connection, self._project, name) for name in notes]
        return [found.get(key) for key in keys] + noted

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read as `read` does, in a thread: a disk may be slow."""
        return await asyncio.to_thread(self.read, keys, notes)

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:  # noqa: ARG002 -- an upsert has no faster way
        """Write rows under the guard in one transaction; returns how many landed."""
        now_ms = time.time_ns() // 1_000_000
        expiries: Sequence[int | None] = (
            [None] * len(batch) if batch.expires_ms is None else batch.expires_ms.to_pylist()
        )
        columns = [array.to_pylist() for array in (batch.keys, batch.event_us, batch.created_us)]
        rows = list(zip(*columns, expiries, batch.values.to_pylist(), strict=True))
        last_full = len(rows) - len(rows) % _ROWS_PER_INSERT
        many = [
            list(chain.from_iterable(rows[at : at + _ROWS_PER_INSERT])) for at in range(0, last_full, _ROWS_PER_INSERT)
        ]
        with self._lock, self._explained(), self._transaction() as connection:
            connection.execute(_PURGE, (now_ms, _PURGED_PER_WRITE))
            before = connection.total_changes
            connection.executemany(_guarded_upsert(now_ms, rows=_ROWS_PER_INSERT), many)
            connection.executemany(_guarded_upsert(now_ms, rows=1), rows[last_full:])
            return connection.total_changes - before

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        now_ms = time.time_ns() // 1_000_000
        with self._lock, self._explained():
            if self._reader() is None:
                return 0
            with self._transaction() as connection:
                connection.execute(_PURGE, (now_ms, _PURGED_PER_WRITE))
                before = connection.total_changes
                connection.executemany("DELETE FROM kv WHERE key = ?", [(key,) for key in keys])
                return connection.total_changes - before

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys that begin with `prefix`, in their order."""
        after = prefix
        while page := self._page(prefix, after):
            yield page
            after = page[-1] + b"\0"

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes in the file, about."""
        overhead = self.overhead_bytes(expiring=False)
        with self._lock, self._explained():
            connection = self._reader()
            found = {} if connection is None else _select(connection, keys)
        return [len(key) + len(found[key]) + overhead if key in found else 0 for key in keys]

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say what a row takes beside key and value: its times, its header, and the room that pages leave empty."""
        return 90 if expiring else 60

    def read_note(self, name: str) -> bytes | None:
        """Read a note; None also when nothing was synced yet."""
        with self._lock, self._explained():
            connection = self._reader()
            return None if connection is None else _read_note(connection, self._project, name)

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._lock, self._explained(), self._transaction() as connection:
            connection.execute(_WRITE_NOTE, (self._project, name, value))

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, in one transaction."""
        with self._lock, self._explained(), self._transaction() as connection:
            if _read_note(connection, self._project, name) != old:
                return False
            if new is None:
                connection.execute("DELETE FROM note WHERE project = ? AND name = ?", (self._project, name))
            else:
                connection.execute(_WRITE_NOTE, (self._project, name, new))
        return True

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        with self._lock, self._explained():
            connection = self._reader()
            query = "SELECT name FROM note WHERE project = ? AND substr(name, 1, ?) = ? ORDER BY name"
            found = [] if connection is None else connection.execute(query, (self._project, len(prefix), prefix))
            return [name for (name,) in found]

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease by this machine's clock; returns who holds it now."""
        now_ms = time.time_ns() // 1_000_000
        with self._lock, self._explained(), self._transaction() as connection:
            connection.execute(_LEASES)
            connection.execute(_TAKE_LEASE, (self._project, name, owner, now_ms + int(seconds * 1000), now_ms))
            holder: str = connection.execute(_HOLDER, (self._project, name)).fetchone()[0]
        return holder

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        with self._lock, self._explained(), self._transaction() as connection:
            connection.execute(_LEASES)
            connection.execute(
                "DELETE FROM lease WHERE project = ? AND name = ? AND owner = ?", (self._project, name, owner)
            )

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._forget()

    def _page(self, prefix: bytes, after: bytes) -> list[bytes]:
        now_ms = time.time_ns() // 1_000_000
        with self._lock, self._explained():
            connection = self._reader()
            if connection is None:
                return []
            bounds = (after, prefix, len(prefix), now_ms, _KEYS_PER_PAGE)
            # The bound from below finds the place; what begins with the prefix stands there in a row.
            query = (
                "SELECT key, substr(key, 1, ?3) = ?2 FROM kv"
                " WHERE key >= ?1 AND (expires_ms IS NULL OR expires_ms > ?4) ORDER BY key LIMIT ?5"
            )
            found = connection.execute(query, bounds).fetchall()
        return [key for key, has_prefix in found if has_prefix]

    def _reader(self) -> sqlite3.Connection | None:
        """Return a connection if the file is there and holds our tables."""
        opened = self._current()
        if opened is None:
            return None
        if not opened.has_tables:
            self._opened = opened = replace(opened, has_tables=self._has_tables(opened.connection))
        return opened.connection if opened.has_tables else None

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise OnlineStoreError(
                f"the online store {self._path} has format {found}, this version reads {FORMAT}",
                hint="update featurestore, or delete the file and run featurestore materialize",
            )
        return found == FORMAT

    def _current(self) -> _Opened | None:
        """Return the open file, opened anew if the process forked or the file was deleted or replaced meanwhile."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self._forget()
            return None
        opened = self._opened
        if opened is None or opened.inode != inode or opened.process != os.getpid():
            self._forget()
            opened = _Opened(connection=_connect(self._path, mode="rw"), process=os.getpid(), inode=inode)
            self._opened = opened
        return opened

    def _forget(self) -> None:
        """Close the connection; one that was inherited through a fork is only dropped."""
        opened, self._opened = self._opened, None
        if opened is not None and opened.process == os.getpid():
            opened.connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._reader() is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _create(self._path)
        connection = self._reader()
        assert connection is not None, self._path
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as problem:
            raise OnlineStoreError(
                f"the online store {self._path} cannot be used: {problem}", hint=_remedy(str(problem))
            ) from problem


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _create(path: Path) -> None:
    """Make the file and its tables; several processes may do so at once."""
    connection = _connect(path, mode="rwc")
    try:
        _use_wal(connection)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
    finally:
        connection.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; SQLite does not wait here when another process does the same, so we do."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _guarded_upsert(now_ms: int, *, rows: int) -> str:
    """Write the upsert of O1 for so many rows; a stored row that has expired guards nothing any more."""
    values = ", ".join(["(?, ?, ?, ?, ?)"] * rows)
    return f"""
        INSERT INTO kv (key, ev, cr, expires_ms, value) VALUES {values}
        ON CONFLICT (key) DO UPDATE
        SET ev = excluded.ev, cr = excluded.cr, expires_ms = excluded.expires_ms, value = excluded.value
        WHERE (excluded.ev, excluded.cr) >= (kv.ev, kv.cr) OR kv.expires_ms <= {now_ms:d}
    """


def _select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    now_ms = time.time_ns() // 1_000_000
    unique = list(dict.fromkeys(keys))
    found: dict[bytes, bytes] = {}
    for start in range(0, len(unique), _KEYS_PER_SELECT):
        chunk = unique[start : start + _KEYS_PER_SELECT]
        marks = ", ".join("?" * len(chunk))
        query = f"SELECT key, value FROM kv WHERE key IN ({marks}) AND (expires_ms IS NULL OR expires_ms > ?)"
        found.update(connection.execute(query, [*chunk, now_ms]).fetchall())
    return found


def _read_note(connection: sqlite3.Connection, project: str, name: str) -> bytes | None:
    found = connection.execute(_READ_NOTE, (project, name)).fetchone()
    return None if found is None else bytes(found[0])


def _remedy(problem: str) -> str:
    if "locked" in problem:
        return "another process writes to it; try again when its sync has ended"
    if "full" in problem:
        return "make room on the disk and run the sync again: rows that landed are whole"
    if "not a database" in problem or "malformed" in problem:
        return "delete the file and run featurestore materialize --full"
    return "check the path and that its folder may be written to"
