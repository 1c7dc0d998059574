"""The Postgres store against a real server: rights, timeouts, broken connections, deadlocks, tables, its URI."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.batches import batch_of
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.conftest import empty_postgres_uri
from tests.online.rows import answered, batch, key, number_in, opened, value
from tests.online.servers import wait_until
from tests.warehouse.postgres_server import PASSWORD, SUPERUSER, start_postgres

pytest.importorskip("psycopg")
adbc = pytest.importorskip("adbc_driver_manager")
NONE = NO_CREATED_TIME
SCHEMA = '"Features of A"'


@pytest.fixture
def uri(postgres_server):
    return empty_postgres_uri(postgres_server)


@pytest.fixture
def open_store(uri):
    """A function that opens the store, with other options or as another user."""
    stores = []

    def open_one(more="", *, user=None, password=PASSWORD):
        place = uri if user is None else uri.replace(f"{SUPERUSER}:{quote(PASSWORD)}", f"{user}:{quote(password)}")
        stores.append(opened(place + more))
        return stores[-1]

    yield open_one
    for each in stores:
        each.close()


def said_by(do, *arguments):
    with pytest.raises(OnlineStoreError) as problem:
        do(*arguments)
    assert PASSWORD not in str(problem.value)
    assert quote(PASSWORD) not in str(problem.value)
    return str(problem.value)


def test_before_the_first_sync_lookups_say_what_to_do_and_make_nothing(open_store, postgres_server):
    store = open_store()
    assert said_by(store.read, [key(1)]).endswith(
        "holds no rows: nothing was synced yet\n  -> run featurestore materialize"
    )
    assert store.read_note("generation") is None
    assert store.delete([key(1)]) == 0
    assert postgres_server.run("select 1 from pg_namespace where nspname = 'Features of A'") == []


@pytest.mark.parametrize(("option", "kept"), [("", "p"), ("&unlogged=true", "u")])
def test_tables_are_logged_or_unlogged_as_the_uri_says(open_store, postgres_server, option, kept):
    """All of them: after a crash no watermark outlives its rows (O8)."""
    open_store(option).write(batch((key(1), 1, 1, NONE)))
    tables = postgres_server.run(
        "select relname, relpersistence::text from pg_class"
        f" where relnamespace = '{SCHEMA}'::regnamespace and relkind = 'r' order by 1"
    )
    assert tables == [("fs_leases", kept), ("fs_notes", kept), ("fs_rows", kept)]


def test_of_a_batch_that_is_expected_to_be_new_nothing_lands_twice_when_a_key_is_there(open_store, postgres_server):
    store = open_store()
    store.write(batch((key(5), 5, 9, NONE)))
    assert store.write(batch(*[(key(each), each, 1, NONE) for each in range(10)]), expect_new=True) == 9
    assert postgres_server.run(f"select count(*) from {SCHEMA}.fs_rows") == [(10,)]
    assert store.write(batch(*[(key(each), each, 1, NONE) for each in range(20)]), expect_new=True) == 19
    assert number_in(store.read([key(5)])[0]) == 5


def test_expired_rows_leave_the_table_little_by_little(open_store, postgres_server):
    store = open_store()
    far_ms = time.time_ns() // 1_000_000 + 3_600_000
    store.write(batch(*[(key(number), 1, 1, NONE) for number in range(500)], expires_ms=[1] * 500))
    for number in range(40):
        store.write(batch((key(1_000 + number), 1, 1, NONE), expires_ms=[far_ms]))
    assert postgres_server.run(f"select count(*) from {SCHEMA}.fs_rows where expires_ms <= 1") == [(0,)]


def seconds_of(do, *arguments):
    """How long it takes to fail, and what it says."""
    began = time.perf_counter()
    said = said_by(do, *arguments)
    return time.perf_counter() - began, said


def tries_of(read, within_s):
    """What a few of them took and said; one of them must be done within the time, on a machine that may be busy."""
    tries = []
    while len(tries) < 10:
        tries.append(seconds_of(read, [key(1)]))
        if tries[-1][0] < within_s:
            return tries
    raise AssertionError(f"none within {within_s} s: {tries}")


def test_a_server_that_is_down_is_one_error_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        port = taken.getsockname()[1]
        store = opened(f"postgresql://me:geheim@127.0.0.1:{port}/db")
        tries = tries_of(store.read, within_s=1)
        for _, text in tries:
            assert f"the online store at 127.0.0.1:{port}/db cannot be reached: " in text
            assert "geheim" not in text
        assert "cannot be reached" in said_by(asyncio.run, store.aread([key(1)]))


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = opened(f"postgresql://me:geheim@127.0.0.1:{silent.getsockname()[1]}/db")
        for read in (store.read, lambda keys: asyncio.run(store.aread(keys))):
            tries = tries_of(read, within_s=1)
            assert all("did not answer in time" in text for _, text in tries)


@pytest.fixture
def own_server():
    """A server that may be stopped and started."""
    server = start_postgres()
    yield server
    server.stop()


def test_a_hung_server_is_given_up_in_time_and_used_again_when_it_goes_on(own_server):
    place = f"{SUPERUSER}:{quote(PASSWORD)}@127.0.0.1:{own_server.port}/postgres"
    store = opened(f"postgresql://{place}?read_timeout=0.2&connect_timeout=0.4&write_timeout=60")
    store.write(batch((key(1), 1, 1, NONE)))
    for read in (store.read, lambda keys: asyncio.run(store.aread(keys))):
        took = [9.0], [9.0]
        for _ in range(10):
            assert number_in(answered(lambda read=read: read([key(1)]))[0]) == 1
            with hanging(own_server):
                for tries in took:  # on a connection that there is, then on a new one
                    seconds, said = seconds_of(read, [key(1)])
                    assert "did not answer in time" in said
                    tries.append(seconds)
            if all(min(tries) < 1 for tries in took):
                break
        assert [min(tries) < 1 for tries in took] == [True, True], took
    assert number_in(answered(lambda: store.read([key(1)]))[0]) == 1
    store.close()


@contextmanager
def hanging(server):
    """The first of its processes is stopped first: then it neither starts nor forgets another."""
    first = server.process.pid
    stopped = [first]
    try:
        os.kill(first, signal.SIGSTOP)
        stopped += map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_connections_that_broke_meanwhile_are_replaced_without_an_error(open_store, postgres_server):
    store = open_store()
    store.write(batch((key(1), 1, 1, NONE)))
    assert number_in(store.read([key(1)])[0]) == 1
    for _ in range(3):
        postgres_server.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'featurestore online'"
        )
        assert number_in(store.read([key(1)])[0]) == 1
        assert number_in(asyncio.run(store.aread([key(1)]))[0]) == 1
        assert store.write(batch((key(1), 1, 1, NONE))) == 1


def test_a_swap_after_an_idle_hour_works_and_one_that_breaks_on_the_way_is_an_error(open_store, postgres_server):
    """Tried again on another connection, it would find what it has written itself, and say that another came first."""
    ours = "from pg_stat_activity where application_name = 'featurestore online'"
    end = f"select pg_terminate_backend(pid) {ours}"
    store = open_store()
    store.write_note("state", b"1")
    postgres_server.run(end)
    wait_until(lambda: postgres_server.run(f"select 1 {ours}") == [])
    assert store.swap_note("state", b"1", b"2")
    postgres_server.run("begin", f"lock table {SCHEMA}.fs_notes in exclusive mode")  # reads pass, writes wait
    said = []
    swap = threading.Thread(target=lambda: said.append(said_by(store.swap_note, "state", b"2", b"3")))
    swap.start()
    try:
        wait_until(lambda: somebody_waits_for_a_lock(postgres_server))
    finally:
        postgres_server.run(end, "rollback")
        swap.join()
    assert "broke the connection" in said[0]
    assert store.read_note("state") == b"2"


def somebody_waits_for_a_lock(server):
    """Another connection than that of the test."""
    return server.run("select 1 from pg_locks where not granted") != []


def test_a_table_that_is_locked_is_an_error_within_the_timeout_and_no_statement_stays_behind(
    open_store, postgres_server, uri
):
    """A lookup that was given up must not go on to wait in the server: the next ones would use up its connections."""
    open_store().write(batch((key(1), 1, 1, NONE)))
    store = opened(f"{uri}&read_timeout=0.1")
    active = "from pg_stat_activity where application_name = 'featurestore online' and state = 'active'"
    postgres_server.run("begin", f"lock table {SCHEMA}.fs_rows in access exclusive mode")
    try:
        tries = tries_of(store.read, within_s=1)
        assert all("did not answer in time" in text or "statement timeout" in text for _, text in tries)
        # In a transaction the view is looked up once, unless told.
        wait_until(lambda: postgres_server.run("select pg_stat_clear_snapshot()", f"select 1 {active}") == [])
    finally:
        postgres_server.run("rollback")
    assert number_in(answered(lambda: store.read([key(1)]))[0]) == 1


def test_all_connections_in_use_is_an_error_that_names_the_option(open_store, postgres_server):
    open_store().write(batch((key(1), 1, 1, NONE)))
    store = open_store("&max_connections=1&connect_timeout=0.5&read_timeout=120")
    answered(lambda: store.read([key(1)]))
    postgres_server.run("begin", f"lock table {SCHEMA}.fs_rows in access exclusive mode")
    waiting = threading.Thread(target=lambda: store.read([key(1)]))
    waiting.start()
    try:
        wait_until(lambda: somebody_waits_for_a_lock(postgres_server))
        assert "all its 1 connections of this process in use\n  -> raise max_connections" in said_by(
            store.read, [key(1)]
        )
        assert "all its 1 connections" in said_by(asyncio.run, store.aread([key(1)]))
    finally:
        postgres_server.run("rollback")
        waiting.join()


def test_writers_of_the_same_keys_in_opposite_orders_never_stop_each_other(open_store):
    """Deadlocks: keys are locked in one order, whatever the order of a batch; deletes too."""
    stores, failures = [open_store() for _ in range(4)], []
    keys = [key(number) for number in range(300)]
    stores[0].write(batch(*[(each, 0, 0, NONE) for each in keys]))

    def work(number):
        order = keys if number % 2 else keys[::-1]
        try:
            for version in range(1, 15):
                stores[number].write(batch(*[(each, version, version, NONE) for each in order]))
                stores[number].write(batch(*[(each, version, version, NONE) for each in (*order[:50], *order[:50])]))
                stores[number].delete(order[number::7])
        except OnlineStoreError as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_writer_that_meets_a_deadlock_tries_again(open_store, postgres_server):
    store = open_store()
    first, second = sorted([key(1), key(2)])
    store.write(batch((first, 1, 1, NONE), (second, 1, 1, NONE)))
    lock = f"update {SCHEMA}.fs_rows set ev = ev where key = '\\x%s'"

    def is_chosen(version):
        """Whether it is the writer whom the server makes give way: it looks after a second, and chooses who waits."""
        landed = []
        rows = batch((first, version, version, NONE), (second, version, version, NONE))
        postgres_server.run("begin", lock % second.hex())
        writer = threading.Thread(target=lambda: landed.append(store.write(rows)))
        writer.start()
        try:
            wait_until(
                lambda: somebody_waits_for_a_lock(postgres_server)
            )  # it holds the first and waits for the second
            postgres_server.run("set deadlock_timeout = '5s'", lock % first.hex())
            was_chosen = True
        except adbc.Error:
            was_chosen = False
        finally:
            postgres_server.run("rollback", "reset deadlock_timeout")
            writer.join()
        assert landed == [2]
        return was_chosen

    assert any(is_chosen(version) for version in range(2, 10))


def test_without_prepared_statements_lookups_work_too(open_store):
    store = open_store("&prepare=false")
    store.write(batch((key(1), 1, 1, NONE)))
    assert number_in(store.read([key(1)], ["state"])[0]) == 1


def test_a_table_that_was_dropped_under_a_prepared_lookup_is_noticed(open_store, postgres_server):
    """O8"""
    store = open_store()
    store.write(batch((key(1), 1, 1, NONE)))
    store.read([key(1)])
    postgres_server.run(f"drop schema {SCHEMA} cascade")
    assert "nothing was synced yet" in said_by(store.read, [key(1)])
    store.write(batch((key(1), 2, 1, NONE)))
    assert number_in(store.read([key(1)])[0]) == 2


def test_a_key_that_is_too_long_for_an_index_is_one_error(open_store):
    entity = random.Random(1).randbytes(4_000).hex().encode()
    assert "-> a key may have about 2,600 bytes" in said_by(
        open_store().write, batch((b"fs:shop:orders@0:{%b}" % entity, 1, 1, NONE))
    )


def test_large_rows_come_back_as_they_were(open_store):
    """Embeddings: Postgres stores what is larger than a page elsewhere."""
    rows = [value(1, 1) + bytes(range(256)) * size for size in (10, 100, 4_000)]
    store = open_store()
    store.write(batch_of([key(1), key(2), key(3)], rows, event_us=[1] * 3, created_us=[NONE] * 3))
    assert store.read([key(1), key(2), key(3)]) == rows


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://me:geheim@host:port/db", "cannot read the online store's URI"),
        ("postgresql://me:geheim@host/db?schemas=x", "no option 'schemas' in the URI of a Postgres online store"),
        (
            "postgresql://me:geheim@host/db?unlogged=perhaps",
            "unlogged in the URI of the online store: expected true or",
        ),
        ("postgresql://me:geheim@host/db?read_timeout=0", "expected seconds such as 0.05, got '0'"),
        ("postgresql://me:geheim@host/db?max_connections=0", "expected a whole number of at least 1, got '0'"),
        ("postgresql://me:geheim@host/db?schema=", "expected the name of a schema, got ''"),
    ],
)
def test_a_uri_that_cannot_be_read(uri, said):
    with pytest.raises(UsageError) as problem:
        open_online_store(uri, project="shop", base_dir=Path())
    assert said in str(problem.value)
    assert "geheim" not in str(problem.value)
