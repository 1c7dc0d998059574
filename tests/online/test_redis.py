"""The Redis store when the server forgets, refuses, hangs or is gone."""

from __future__ import annotations

import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.conftest import empty_store_uri
from tests.online.rows import batch, key, number_in, opened
from tests.online.servers import has_msetex, start_server, wait_until

NONE = NO_CREATED_TIME


@pytest.fixture
def uri(request, tmp_path):
    return empty_store_uri("redis", request, tmp_path)


@pytest.fixture
def own_server(valkey, tmp_path):
    """A server that the test may break."""
    server = start_server(tmp_path)
    yield server
    server.resume()
    server.stop()


def test_a_server_that_forgot_the_script_is_given_it_again(uri, valkey):
    store = opened(uri)
    store.write(batch((key(1), 1, 1, NONE)))
    with valkey.client() as client:
        client.script_flush()
    rows = [(key(number), number, 2, NONE) for number in range(4_000)]
    assert store.write(batch(*rows)) == 4_000
    assert [number_in(row) for row in store.read([each for each, *_ in rows])] == list(range(4_000))
    store.close()


def test_rows_and_notes_stand_under_the_documented_keys(uri, valkey):
    store = opened(uri)
    store.write(batch((key(1), 1, 1, NONE), expires_ms=[time.time_ns() // 1_000_000 + 60_000]))
    store.write_note("generation", b"x")
    store.close()
    with valkey.client() as client:
        assert sorted(client.keys()) == [b"fs:shop:_note:generation", b"fs:shop:orders@0:{1}"]
        assert 0 < client.pttl(b"fs:shop:orders@0:{1}") <= 60_000
        assert client.ttl(b"fs:shop:_note:generation") == -1


def test_something_else_under_a_key_is_an_error_that_names_the_server(uri, valkey):
    with valkey.client() as client:
        client.hset(key(1).decode(), "field", "1")
    store = opened(uri)
    with pytest.raises(OnlineStoreError, match=f"127.0.0.1:{valkey.port} cannot be used"):
        store.write(batch((key(1), 1, 1, NONE)))
    store.close()
    with valkey.client() as client:
        assert client.hgetall(key(1).decode()) == {b"field": b"1"}


def test_after_a_refused_call_no_answer_is_taken_for_that_of_another(uri, valkey):
    """Calls that had been sent after the refused one are answered to nobody."""
    with valkey.client() as client:
        client.hset(key(10).decode(), "field", "1")
    store = opened(uri)
    with pytest.raises(OnlineStoreError, match="WRONGTYPE"):
        store.write(batch(*((key(number), number, 1, NONE) for number in range(4_000))))
    assert store.write(batch((key(7_000), 7, 1, NONE))) == 1
    assert number_in(*store.read([key(7_000)])) == 7
    assert store.delete([key(7_000)]) == 1
    store.close()


def test_a_connection_that_broke_is_opened_again(uri, valkey):
    store = opened(uri)
    assert store.write(batch((key(1), 1, 1, NONE))) == 1
    with valkey.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert store.write(batch((key(1), 2, 2, NONE), (key(2), 2, 2, NONE))) == 2
    assert [number_in(row) for row in store.read([key(1), key(2)])] == [2, 2]
    store.close()


def test_a_server_without_memory_refuses_writes_and_still_answers_reads(uri, valkey):
    store = opened(uri)
    store.write(batch((key(1), 1, 1, NONE)))
    with valkey.client() as client:
        client.config_set("maxmemory", 1)
    with pytest.raises(OnlineStoreError, match="is out of memory\n  -> raise maxmemory"):
        store.write(batch((key(2), 2, 2, NONE)))
    assert [number_in(row) for row in store.read([key(1), key(2)])] == [1, None]
    store.close()


def test_a_stopped_server_is_an_error_that_names_it_and_the_way_out(own_server):
    store = opened(f"{own_server.uri}?read_timeout=30&connect_timeout=30")
    store.write(batch((key(1), 1, 1, NONE)))
    own_server.stop()
    for use in (
        lambda: store.read([key(1)]),
        lambda: store.write(batch((key(1), 1, 1, NONE))),
        lambda: store.delete([key(1)]),
        lambda: store.read_note("generation"),
        lambda: store.write_note("generation", b"x"),
    ):
        with pytest.raises(OnlineStoreError) as problem:
            use()
        assert f"the online store at 127.0.0.1:{own_server.port} cannot be used" in str(problem.value)
        assert "-> is the server running and the URI right?" in str(problem.value)
        assert problem.value.exit_code == 4
    store.close()


def test_a_wrong_password_is_refused_without_repeating_it(uri, valkey):
    store = opened(f"redis://reader:geheim@127.0.0.1:{valkey.port}/0?read_timeout=30&connect_timeout=30")
    with pytest.raises(OnlineStoreError) as problem:
        store.read([key(1)])
    assert str(problem.value) == (
        f"the online store at 127.0.0.1:{valkey.port} refused the login\n"
        "  -> check user and password in the URI of the online store"
    )
    assert "geheim" not in repr(store)
    store.close()


def test_a_unix_socket_is_an_address_too(tmp_path):
    store = opened(f"unix://{tmp_path}/absent.sock?db=2")
    with pytest.raises(OnlineStoreError, match=r"absent\.sock cannot be used"):
        store.read([key(1)])
    store.close()


def test_a_lookup_is_one_mget_and_a_write_a_few_scripts(uri, valkey):
    store = opened(uri)
    rows = [(key(number), number, 1, NONE) for number in range(300)]
    store.write(batch(*rows))
    store.read([key(1)])
    with valkey.client() as client:
        client.config_resetstat()
        assert len(store.read([*[each for each, *_ in rows], key(1), key(1)], ["generation"])) == 303
        assert calls(client) == {"mget": 1}
        client.config_resetstat()
        store.write(batch(*rows))
        assert calls(client) == {"evalsha": 2, "mget": 2, "mset": 2}
    store.close()


def calls(client):
    """How often each command was called, also by scripts; what this client and new connections say left out."""
    stats = client.info("commandstats")
    names = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    return {
        name: count
        for name, count in names.items()
        if name.partition("|")[0] not in {"config", "info", "client", "hello"}
    }


def test_rows_that_are_expected_to_be_new_are_not_compared_one_by_one(uri, valkey):
    store = opened(uri)
    rows = [(key(number), number, 1, NONE) for number in range(1_000)]
    with valkey.client() as client:
        store.read([key(1)])
        client.config_resetstat()
        assert store.write(batch(*rows), expect_new=True) == 1_000
        assert calls(client) == {"msetnx": 10}
        client.delete(*(each for each, *_ in rows))
        told = {"msetex": 10} if has_msetex(valkey) else {"msetex": 1, "set": 1_000}
        client.config_resetstat()
        soon = [time.time_ns() // 1_000_000 + 60_000] * 1_000
        assert store.write(batch(*rows, expires_ms=soon), expect_new=True) == 1_000
        assert calls(client) == told
    store.close()


@pytest.mark.parametrize("expires_ms", [None, 4_000_000_000_000])
def test_the_hint_that_rows_are_new_never_weakens_the_guard(uri, expires_ms):
    """O1: whether none, some or all are there, twice in the batch, older or newer."""
    store = opened(uri)

    def written(*rows, expect_new=True):
        expiries = None if expires_ms is None else [expires_ms] * len(rows)
        return store.write(batch(*rows, expires_ms=expiries), expect_new=expect_new)

    assert written(*[(key(number), number, 5, NONE) for number in range(0, 400, 2)]) == 200
    assert written(*[(key(number), -1, 4, NONE) for number in range(400)]) == 200, "those that are there are newer"
    assert [number_in(row) for row in store.read([key(0), key(1), key(398), key(399)])] == [0, -1, 398, -1]
    assert written((key(500), 1, 7, NONE), (key(500), 2, 6, NONE), (key(500), 3, 7, NONE)) == 2
    assert number_in(store.read([key(500)])[0]) == 3, "of equal pairs the last one stays"
    assert written((key(501), 1, 6, NONE), (key(501), 2, 7, NONE)) == 2
    assert number_in(store.read([key(501)])[0]) == 2
    store.close()


def test_nothing_that_is_no_row_is_overwritten_by_rows_expected_to_be_new(uri, valkey):
    with valkey.client() as client:
        client.hset(key(1).decode(), "field", "1")
    store = opened(uri)
    with pytest.raises(OnlineStoreError, match="WRONGTYPE"):
        store.write(batch((key(1), 1, 1, NONE), (key(2), 1, 1, NONE)), expect_new=True)
    store.close()
    with valkey.client() as client:
        assert client.hgetall(key(1).decode()) == {b"field": b"1"}


def test_sizes_are_the_servers_own_and_near_what_is_estimated(uri, valkey):
    store = opened(uri)
    rows = [(key(number), 1, 1, NONE) for number in range(100_000, 150_000)]
    with valkey.client() as client:
        empty = client.info("memory")["used_memory"]
        store.write(batch(*rows), expect_new=True)
        plain = len(key(100_000)) + len(store.read([key(100_000)])[0])
        estimated = store.overhead_bytes(expiring=False) + plain

        def taken():
            return (client.info("memory")["used_memory"] - empty) / len(rows)

        # Its hash table is still growing, its buffers are still shrinking.
        wait_until(lambda: estimated == pytest.approx(taken(), rel=0.25))
        assert store.sizes([key(100_000), key(1)]) == [pytest.approx(taken(), rel=0.25), 0]
    assert store.overhead_bytes(expiring=True) > store.overhead_bytes(expiring=False)
    with valkey.client() as client:
        assert client.dbsize() == len(rows), "what was measured with is gone"
    store.close()


def test_the_server_says_how_it_is(uri, valkey):
    store = opened(uri)
    with valkey.client() as client:
        client.config_set("maxmemory", 100_000_000)
    (facts,) = store.server_facts()
    assert (facts.name, facts.role, facts.policy) == (f"127.0.0.1:{valkey.port}", "master", "noeviction")
    assert (facts.maxmemory_bytes, facts.evicted_keys, facts.has_aof) == (100_000_000, 0, False)
    assert 0 < facts.used_bytes < 100_000_000
    assert facts.brand in {"redis", "valkey"}
    store.close()


def test_keys_are_walked_without_notes_and_leases(uri):
    store = opened(uri)
    store.write(batch(*[(key(number), 1, 1, NONE) for number in range(3_000)]))
    store.write_note("view:orders", b"x")
    store.take_lease("sync:orders", "me", 60)
    assert sorted(each for page in store.keys(b"fs:shop:") for each in page) == sorted(map(key, range(3_000)))
    store.close()
