"""What roles may do to the Postgres store, with the rights that the docs give them, and with less."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.conftest import PATIENT
from tests.online.rows import batch, key, number_in
from tests.online.test_postgres import SCHEMA, open_store, said_by, uri
from tests.warehouse.postgres_server import PASSWORD, SUPERUSER

pytest.importorskip("psycopg")
NONE = NO_CREATED_TIME
__all__ = ["open_store", "uri"]  # fixtures


@pytest.fixture
def role(postgres_server):
    """A function that makes a role with a password and nothing else."""
    made = []

    def make(name, *grants):
        made.append(name)
        postgres_server.run(f"create role {name} login password '{PASSWORD}'", *grants)
        return name

    yield make
    for name in made:
        postgres_server.run(f"drop owned by {name}", f"drop role {name}")


@pytest.fixture
def open_documented(postgres_server):
    """A function that opens the store of the default schema, as the superuser or as a role that the docs make."""
    pages = (Path(__file__).parents[2] / "docs" / "guides" / "online-stores.md").read_text(encoding="utf-8")
    blocks = {re.search(r"ROLE (\w+)", block)[1]: block for block in re.findall(r"```sql\n(.*?)```", pages, re.DOTALL)}
    postgres_server.run("drop schema if exists featurestore cascade")
    opened = []

    def open_one(name=None):
        user = f"{SUPERUSER}:{quote(PASSWORD)}"
        if name is not None:
            password = f"'{PASSWORD}'"
            statements = re.sub(r"--.*", "", blocks[name]).replace("'...'", password)
            postgres_server.run(*[each.strip() for each in statements.split(";") if each.strip()])
            user = f"{name}:{quote(PASSWORD)}"
        uri = f"postgresql://{user}@127.0.0.1:{postgres_server.port}/postgres?{PATIENT}"
        opened.append((name, open_online_store(uri, project="shop", base_dir=Path())))
        return opened[-1][1]

    yield open_one
    for name, store in opened:
        store.close()
        if name is not None:
            postgres_server.run(f"drop owned by {name}", f"drop role {name}")
    postgres_server.run("drop schema if exists featurestore cascade")


def test_a_role_with_the_rights_that_the_docs_give_to_readers_reads_and_changes_nothing(
    open_documented, postgres_server
):
    writer = open_documented()
    writer.write(batch((key(1), 1, 1, NONE)))
    writer.write_note("state", b"1")
    reader = open_documented("features_reader")
    row, note = reader.read([key(1)], ["state"])
    assert (number_in(row), note) == (1, b"1")
    assert reader.read_note("state") == b"1"
    assert len(list(reader.keys(b"fs:shop:"))) == 1
    assert reader.notes("") == ["state"]
    assert reader.sizes([key(1)])[0] > 0
    refused = "permission denied for table fs_rows\n  -> grant the role what docs/guides/online-stores.md names"
    for do in (lambda: reader.write(batch((key(1), 2, 2, NONE))), lambda: reader.delete([key(1)])):
        assert refused in said_by(do)
    assert "permission denied" in said_by(reader.write_note, "state", b"2")
    assert "permission denied" in said_by(reader.take_lease, "sync", "me", 1)
    assert "permission denied" in said_by(reader.read_lease, "sync")


def test_a_role_with_the_rights_that_the_docs_give_to_writers_does_all_of_a_sync(open_documented):
    open_documented().write(batch((key(1), 1, 1, NONE)))
    writer = open_documented("features_writer")
    far_ms = time.time_ns() // 1_000_000 + 3_600_000
    assert writer.write(batch((key(1), 2, 2, NONE), (key(2), 2, 2, NONE), expires_ms=[far_ms, far_ms])) == 2
    assert writer.write(batch((key(3), 2, 2, NONE)), expect_new=True) == 1
    assert writer.write(batch((key(4), 2, 2, NONE), (key(4), 3, 3, NONE))) == 2
    assert writer.swap_note("state", None, b"1")
    assert writer.take_lease("sync", "me", 60) == "me"
    assert writer.read_lease("sync").owner == "me"
    writer.end_lease("sync", "me")
    assert writer.delete([key(1)]) == 1
    assert list(writer.keys(b"fs:shop:")) == [[key(2), key(3), key(4)]]


def test_a_role_without_rights_is_told_what_to_grant(open_store, role):
    open_store().write(batch((key(1), 1, 1, NONE)))
    reader = open_store(user=role("fs_stranger"))
    assert "permission denied for schema" in said_by(reader.read, [key(1)])


def test_a_role_that_may_not_make_the_tables_is_told_what_is_refused(open_store, role):
    store = open_store(user=role("fs_nobody"))
    assert "permission denied for database postgres" in said_by(store.write, batch((key(1), 1, 1, NONE)))


def test_a_database_that_only_reads_is_an_error_that_says_where_to_write(open_store, role, postgres_server):
    open_store().write(batch((key(1), 1, 1, NONE)))
    name = role("fs_replica", f"grant usage on schema {SCHEMA} to fs_replica")
    postgres_server.run(
        f"grant all on all tables in schema {SCHEMA} to {name}",
        f"alter role {name} set default_transaction_read_only = on",
    )
    store = open_store(user=name)
    assert number_in(store.read([key(1)])[0]) == 1
    assert "read-only transaction\n  -> write to the primary" in said_by(store.write, batch((key(1), 2, 2, NONE)))


def test_a_wrong_password_is_never_repeated(open_store):
    store = open_store(user=SUPERUSER, password="not the password")
    for do in (lambda: store.read([key(1)]), lambda: store.write(batch((key(1), 1, 1, NONE)))):
        text = said_by(do)
        assert "refused the login" in text
        assert "not the password" not in text
