"""The SQLite store when the file is absent, foreign, locked, replaced or full of expired rows; and opening by URI."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.sqlite import file as sqlite_file
from featurestore.online.sqlite import store as sqlite_store
from tests.online.rows import batch, key, number_in

NONE = NO_CREATED_TIME


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
