"""The Redis store when the server forgets, refuses, hangs or is gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.conftest import empty_store_uri
from tests.online.rows import batch, key, number_in
from tests.online.servers import start_server

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


def opened(uri):
    return open_online_store(uri, project="shop", base_dir=Path())


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
    store = opened(own_server.uri)
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


def test_a_hung_server_is_given_up_soon_and_used_again_when_it_wakes(own_server):
    """The client library's own settings wait for most of a minute; ours allow 2 x 50 ms per attempt."""
    store = opened(own_server.uri)
    store.write(batch((key(1), 1, 1, NONE)))
    assert number_in(store.read([key(1)])[0]) == 1
    own_server.pause()
    before = time.monotonic()
    with pytest.raises(OnlineStoreError):
        store.read([key(1)])
    assert time.monotonic() - before < 5
    own_server.resume()
    assert number_in(store.read([key(1)])[0]) == 1
    assert store.read([key(2)]) == [None], "a late answer is never handed to the next question"
    store.close()


def test_a_wrong_password_is_refused_without_repeating_it(uri, valkey):
    store = opened(f"redis://reader:geheim@127.0.0.1:{valkey.port}/0?read_timeout=5")
    with pytest.raises(OnlineStoreError) as problem:
        store.read([key(1)])
    assert str(problem.value) == (
        f"the online store at 127.0.0.1:{valkey.port} refused the login\n"
        "  -> check user and password in the URI of the online store"
    )
    assert "geheim" not in repr(store)
    store.close()


def test_a_reader_with_the_least_rights_can_read_and_is_told_when_it_may_not_write(uri, valkey):
    with valkey.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "reader", "on", ">geheim", "~fs:shop:*", "resetchannels", "+mget", "+get"
        )
    writer, reader = opened(uri), opened(f"redis://reader:geheim@127.0.0.1:{valkey.port}/0?read_timeout=5")
    writer.write(batch((key(1), 1, 1, NONE)))
    assert number_in(reader.read([key(1)])[0]) == 1
    with pytest.raises(OnlineStoreError, match="refused a command"):
        reader.write(batch((key(1), 2, 2, NONE)))
    with pytest.raises(OnlineStoreError, match=r"allow the user the keys ~fs:shop:\*"):
        reader.read([b"fs:other:v@0:{1}"])
    writer.close()
    reader.close()


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("redis://:gehe/im@host:6379/0", "cannot read the online store's URI"),
        ("redis://:geheim@host:port/0", "cannot read the online store's URI"),
        ("redis://:geheim@host/zero", "db in the URI of the online store: expected a whole number, got 'zero'"),
        ("redis://:geheim@host/0?max_conections=3", "did you mean max_connections?"),
        ("redis://:geheim@host/0?read_timeout=50ms", "read_timeout in the URI of the online store: expected seconds"),
        ("redis://:geheim@host/0?read_timeout=0", "expected seconds such as 0.05, got '0'"),
        ("redis://:geheim@host/0?read_timeout=nan", "expected seconds such as 0.05, got 'nan'"),
    ],
)
def test_a_uri_that_cannot_be_read(uri, said):
    with pytest.raises(UsageError) as problem:
        opened(uri)
    assert said in str(problem.value)
    assert "geheim" not in str(problem.value)
    assert "gehe" not in str(problem.value)


def test_a_unix_socket_is_an_address_too(tmp_path):
    store = opened(f"unix://{tmp_path}/absent.sock?db=2")
    with pytest.raises(OnlineStoreError, match=r"absent\.sock cannot be used"):
        store.read([key(1)])
    store.close()
