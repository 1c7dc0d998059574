"""The SQLite store when the file is absent, foreign, locked, replaced or full of expired rows; and opening by URI."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.sqlite import file as sqlite_file
from featurestore.online.sqlite import store as sqlite_store
from tests.online.rows import batch, key, number_in, value

NONE = NO_CREATED_TIME
ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path):
    store = open_online_store("sqlite:deep/online.sqlite", project="shop", base_dir=tmp_path)
    yield store
    store.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "online.sqlite"


def test_before_the_first_sync_lookups_say_what_to_do_and_make_no_file(store, file):
    with pytest.raises(OnlineStoreError) as problem:
        store.read([key(1)])
    assert str(problem.value) == (
        f"the online store {file} does not exist: nothing was synced yet\n  -> run featurestore materialize"
    )
    assert store.read_note("generation") is None
    assert store.delete([key(1)]) == 0
    assert not file.parent.exists()


def test_the_file_is_in_wal_mode_so_that_readers_and_a_writer_do_not_wait_for_each_other(store, file):
    store.write(batch((key(1), 1, 1, NONE)))
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.execute("BEGIN IMMEDIATE")
    assert number_in(store.read([key(1)])[0]) == 1
    connection.close()


def test_a_file_that_was_deleted_or_replaced_is_noticed(store, file, tmp_path):
    """O8"""
    store.write(batch((key(1), 1, 1, NONE)))
    delete_all_in(file.parent)
    with pytest.raises(OnlineStoreError, match="nothing was synced yet"):
        store.read([key(1)])
    store.write(batch((key(1), 1, 1, NONE)))
    delete_all_in(file.parent)
    other = open_online_store("sqlite:deep/online.sqlite", project="shop", base_dir=tmp_path)
    other.write(batch((key(1), 2, 1, NONE)))
    assert number_in(store.read([key(1)])[0]) == 2
    other.close()


def delete_all_in(folder):
    for each in folder.iterdir():
        each.unlink()


def test_a_locked_file_is_an_error_that_says_who_to_wait_for(store, file, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    store.write(batch((key(1), 1, 1, NONE)))
    connection = sqlite3.connect(file)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(OnlineStoreError, match="database is locked\n  -> another process writes to it"):
        store.write(batch((key(1), 2, 2, NONE)))
    connection.close()
    assert store.write(batch((key(1), 2, 2, NONE))) == 1


def test_a_file_that_is_no_database_is_an_error_that_names_it(store, file):
    file.parent.mkdir()
    file.write_text("not a database, " * 100)
    with pytest.raises(OnlineStoreError, match=r"online\.sqlite cannot be used: file is not a database\n  -> delete"):
        store.read([key(1)])


def test_a_file_of_a_later_version_is_refused(store, file):
    store.write(batch((key(1), 1, 1, NONE)))
    store.close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(OnlineStoreError, match="has format 2, this version reads 1"):
        store.read([key(1)])


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "deep").write_text("a file where a folder should be")
    store = open_online_store("sqlite:deep/online.sqlite", project="shop", base_dir=tmp_path)
    with pytest.raises(OnlineStoreError, match=r"deep/online\.sqlite cannot be used"):
        store.write(batch((key(1), 1, 1, NONE)))


def test_expired_rows_leave_the_file_with_the_next_write(store, file):
    store.write(batch(*[(key(number), 1, 1, NONE) for number in range(100)], expires_ms=[1] * 100))
    store.write(batch((key(1000), 1, 1, NONE)))
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM kv").fetchone() == (1,)
    connection.close()


def test_an_expired_row_that_is_still_in_the_file_guards_nothing(store, monkeypatch):
    monkeypatch.setattr(sqlite_store, "PURGED_PER_WRITE", 0)
    store.write(batch((key(1), 1, 9, NONE), expires_ms=[1]))
    assert store.write(batch((key(1), 2, 3, NONE))) == 1
    assert number_in(store.read([key(1)])[0]) == 2


def test_a_file_that_an_earlier_version_made_gets_what_it_lacks(store, file):
    """The first version had no leases; its rows and notes stay."""
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.executescript(
        """PRAGMA journal_mode = WAL;
        CREATE TABLE kv (
            key BLOB PRIMARY KEY, ev INTEGER NOT NULL, cr INTEGER NOT NULL, expires_ms INTEGER, value BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX kv_expires ON kv (expires_ms) WHERE expires_ms IS NOT NULL;
        CREATE TABLE note (project TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (project, name)) WITHOUT ROWID;
        PRAGMA user_version = 1;"""
    )
    connection.execute("INSERT INTO kv VALUES (?, 9, ?, NULL, ?)", (key(1), NONE, value(7, 9)))
    connection.execute("INSERT INTO note VALUES ('shop', 'state', ?)", (b"1",))
    connection.commit()
    connection.close()
    row, note = store.read([key(1)], ["state"])
    assert (number_in(row), note) == (7, b"1")
    store.end_lease("sync", "me")
    assert store.take_lease("sync", "me", 60) == "me"
    assert store.write(batch((key(1), 8, 8, NONE))) == 0, "O1 the rows of before guard as any"
    assert store.swap_note("state", b"1", b"2")


def test_a_full_disk_is_one_error_that_loses_no_row_and_the_sync_goes_on_when_there_is_room(file, tmp_path):
    """O7; the disk ends where a limit on file sizes does, in a process of its own, since the limit is of a process."""
    store = open_online_store("sqlite:deep/online.sqlite", project="shop", base_dir=tmp_path)
    store.write(batch(*[(key(number), 1, 1, NONE) for number in range(1_000)]))
    script = """
        import resource, signal, sys
        from pathlib import Path
        from featurestore.errors import OnlineStoreError
        from featurestore.online.open import open_online_store
        from featurestore.online.protocol import NO_CREATED_TIME as NONE
        from tests.online.rows import batch, key

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = open_online_store("sqlite:deep/online.sqlite", project="shop", base_dir=Path(sys.argv[1]))
        room = (Path(sys.argv[1]) / "deep" / "online.sqlite").stat().st_size + 300_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        landed = 0
        try:
            for start in range(0, 100_000, 500):
                store.write(batch(*[(key(number), 2, 2, NONE) for number in range(start, start + 500)]))
                landed = start + 500
        except OnlineStoreError as problem:
            print(landed)
            print(problem)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert all(store.read([key(number) for number in range(landed)]))
        store.write(batch(*[(key(number), 2, 2, NONE) for number in range(landed, landed + 5_000)]))
        print(landed + 5_000)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    landed, said, hint, written = done.stdout.splitlines()
    assert said.startswith(f"the online store {file} cannot be used: d")
    assert hint == "  -> make room on the disk and run the sync again: rows that landed are whole"
    assert 500 <= int(landed) < 100_000
    numbers = [number_in(row) for row in store.read([key(number) for number in range(int(written))])]
    assert numbers == [2] * int(written)
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    store.close()


def test_the_log_is_cut_back_when_a_long_reader_has_gone(store, file, monkeypatch):
    """While somebody reads an old state, all that is written stays in the log; not for longer."""
    monkeypatch.setattr(sqlite_file, "WAL_BYTES", 1 << 20)
    monkeypatch.setattr(sqlite_file, "CHECKPOINT_PAGES", 250)
    log = file.with_name(f"{file.name}-wal")
    rows = [batch(*[(key(number), turn, turn, NONE) for number in range(5_000)]) for turn in range(20)]
    store.write(rows[0])
    reader = sqlite3.connect(file)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM kv").fetchone()
    for each in rows[1:16]:
        store.write(each)
    assert log.stat().st_size > 4 << 20
    reader.close()
    for each in rows[16:]:
        store.write(each)
    assert log.stat().st_size <= 2 << 20


def test_lookups_do_not_wait_for_a_writer_that_is_in_the_middle_of_a_batch(store, file):
    store.write(batch((key(1), 1, 1, NONE)))
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE kv SET value = x'00'")
    began = time.perf_counter()
    for _ in range(1_000):
        assert number_in(store.read([key(1)])[0]) == 1
    assert time.perf_counter() - began < 0.8 * sqlite_file.BUSY_TIMEOUT_S, "who waits, waits as long as that"
    connection.close()


def test_memory_stores_share_rows_by_name():
    first, same, other = (
        open_online_store(uri, project="shop", base_dir=Path()) for uri in ("memory:a1", "memory:a1", "memory:a2")
    )
    first.write(batch((key(1), 1, 1, NONE)))
    first.close()
    assert number_in(same.read([key(1)])[0]) == 1
    assert other.read([key(1)]) == [None]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("online.sqlite", "expected a scheme such as sqlite: or redis://"),
        ("online.sqlite", "postgresql://host/database, dynamodb://table or memory:"),
        ("sqlite:", "write sqlite:.featurestore/online.sqlite"),
        ("sqlit:x", "no online store backend 'sqlit' is installed\n  -> did you mean sqlite?"),
        ("mysql://me:geheim@host/db", "no online store backend 'mysql' is installed"),
    ],
)
def test_a_uri_that_no_backend_reads(uri, said, tmp_path):
    with pytest.raises(UsageError) as problem:
        open_online_store(uri, project="shop", base_dir=tmp_path)
    assert said in str(problem.value)
    assert "geheim" not in str(problem.value)
