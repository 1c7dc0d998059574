"""The file: made by the first write, opened on first use, and again after a fork, a deletion or a replacement.

One connection per process, lent to one thread at a time. Between two uses the file may have been replaced (O8): each
use asks the file system which file the path names now, which takes a microsecond.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from featurestore.errors import OnlineStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_TIMEOUT_S = 5.0
FORMAT = 1
"""`PRAGMA user_version` of a file that holds the tables below."""
WAL_BYTES = 64 << 20
"""To what the log is cut back when all of it has moved into the file."""
CHECKPOINT_PAGES = 8_000
"""How many pages of the log make it move: several batches at once, since each touches most pages of a file."""

_CACHE_KIB = 16 << 10
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS kv (
        key BLOB PRIMARY KEY, ev INTEGER NOT NULL, cr INTEGER NOT NULL, expires_ms INTEGER, value BLOB NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS kv_expires ON kv (expires_ms) WHERE expires_ms IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS note (
        project TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (project, name)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS lease (
        project TEXT, name TEXT, owner TEXT NOT NULL, ends_ms INTEGER NOT NULL, PRIMARY KEY (project, name)
    ) WITHOUT ROWID""",
    f"PRAGMA user_version = {FORMAT}",
)


@dataclass(slots=True, kw_only=True)
class _Opened:
    """One connection, and what is known about the file behind it."""

    connection: sqlite3.Connection
    inode: int
    has_tables: bool = False
    is_complete: bool = False


class SqliteFile:
    """The one connection of this process to the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = os.fspath(path)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._inherited: list[_Opened] = []
        _FORKS.files.add(self)

    @property
    def lock(self) -> threading.Lock:
        """To be held while the connection is used; in a child of a fork it is a new one."""
        if self._process != os.getpid():
            # A connection must not even be closed on the other side of a fork; a lock may be held there for ever.
            self._inherited += [] if self._opened is None else [self._opened]
            self._opened, self._lock, self._process = None, threading.Lock(), os.getpid()
        return self._lock

    def reader(self) -> sqlite3.Connection | None:
        """Return the connection if the file is there and holds our tables."""
        opened = self._current()
        if opened is None:
            return None
        if not opened.has_tables:
            opened.has_tables = self._has_tables(opened.connection)
        return opened.connection if opened.has_tables else None

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection | None]:
        """Lend the connection, None where there is no store yet; what goes wrong is explained."""
        with self.lock:
            try:
                yield self.reader()
            except (sqlite3.Error, OSError) as problem:
                raise self.error(problem) from problem

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for one transaction that writes; makes the file and what an older one lacks."""
        with self.lock:
            try:
                yield from self._transaction()
            except (sqlite3.Error, OSError) as problem:
                raise self.error(problem) from problem

    def close(self) -> None:
        """Close the connection."""
        with self.lock:
            self._forget()

    def hold(self) -> threading.Lock:
        """Wait until no thread uses the connection, and let none do so; returns what to release."""
        lock = self.lock
        lock.acquire()  # released on the other side of the fork
        return lock

    def error(self, problem: Exception) -> OnlineStoreError:
        """Say what cannot be done with the file, and what to do."""
        return OnlineStoreError(
            f"the online store {self.path} cannot be used: {problem}", hint=_remedy(str(problem).lower())
        )

    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self.reader() is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _create(self.path)
        connection, opened = self.reader(), self._opened
        assert connection is not None, self.path
        assert opened is not None, self.path
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if not opened.is_complete:
                for statement in _SCHEMA:
                    connection.execute(statement)
            yield connection
        opened.is_complete = True

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise OnlineStoreError(
                f"the online store {self.path} has format {found}, this version reads {FORMAT}",
                hint="update featurestore, or delete the file and run featurestore materialize",
            )
        return found == FORMAT

    def _current(self) -> _Opened | None:
        """Return the open file, opened anew if it was deleted or replaced meanwhile."""
        try:
            inode = os.stat(self._name).st_ino  # noqa: PTH116 -- pathlib's takes twice as long, on every lookup
        except FileNotFoundError:
            self._forget()
            return None
        opened = self._opened
        if opened is None or opened.inode != inode:
            self._forget()
            self._opened = opened = _Opened(connection=_connect(self.path, mode="rw"), inode=inode)
        return opened

    def _forget(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.connection.close()


class _Forks:
    """Lets a process fork only while no thread is inside SQLite.

    SQLite has locks of its own for the whole process; one that is held at that moment is held in the child for ever.
    """

    def __init__(self) -> None:
        self.files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
        self._turn = threading.Lock()
        self._held: list[threading.Lock] = []
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def _before(self) -> None:
        self._turn.acquire()
        self._held = [file.hold() for file in sorted(self.files, key=id)]

    def _in_parent(self) -> None:
        for lock in self._held:
            lock.release()
        self._held = []
        self._turn.release()

    def _in_child(self) -> None:
        self._turn, self._held = threading.Lock(), []  # each file makes a lock of its own when it is used


_FORKS = _Forks()
"""The hooks of a fork are the process's: there is one of them."""


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
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


def _remedy(problem: str) -> str:
    if "locked" in problem:
        return "another process writes to it; try again when its sync has ended"
    if "full" in problem or "disk i/o" in problem or "no space" in problem or "too large" in problem:
        return "make room on the disk and run the sync again: rows that landed are whole"
    if "not a database" in problem or "malformed" in problem:
        return "delete the file and run featurestore materialize --full"
    if "readonly" in problem:
        return "let this user write to the file and its folder"
    return "check the path and that its folder may be written to"
