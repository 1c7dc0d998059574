"""Who may do what in Redis, and how we come in: the users of the guide, logins, TLS, old servers, sockets."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME, Lease
from tests.faults.proxy import proxy
from tests.online.certificates import write_certificate
from tests.online.conftest import PATIENT, empty_store_uri
from tests.online.rows import batch, key, number_in, opened
from tests.online.servers import (
    BRANDS,
    free_ports,
    has_msetex,
    server_binary,
    start_cluster,
    start_sentinel,
    start_server,
)

NONE = NO_CREATED_TIME
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "redis.md"


@pytest.fixture
def uri(request, tmp_path):
    return empty_store_uri("redis", request, tmp_path)


@pytest.fixture(params=BRANDS)
def server(request, tmp_path):
    """One of each brand."""
    if server_binary(request.param) is None:
        pytest.skip(f"no server of brand {request.param} is installed here")
    started = start_server(tmp_path, brand=request.param)
    yield started
    started.stop()


def users():
    """The guide's `ACL SETUSER` commands."""
    lines = re.findall(r"^```acl\n(.+?)\n```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(lines) == 3
    return [line.split() for line in lines]


def use_all(store):
    """Everything a writer does."""
    soon = [4_000_000_000_000]
    assert store.write(batch((key(1), 1, 1, NONE)), expect_new=True) == 1
    assert store.write(batch((key(2), 2, 1, NONE), expires_ms=soon), expect_new=True) == 1
    assert store.write(batch((key(1), 1, 2, NONE))) == 1
    assert store.write(batch((key(2), 2, 2, NONE), expires_ms=soon)) == 1
    store.write_note("state", b"1")
    assert store.swap_note("state", b"1", b"2")
    assert not store.swap_note("state", b"1", None)
    assert store.notes("") == ["state"]
    assert store.take_lease("sync", "me", 60) == "me"
    assert 50 < store.read_lease("sync").ends_in_s <= 60
    store.end_lease("sync", "me")
    assert sorted(each for page in store.keys(b"fs:shop:") for each in page) == [key(1), key(2)]
    assert all(store.sizes([key(1), key(2)]))
    assert store.overhead_bytes(expiring=True) > 0
    assert store.server_facts()[0].role == "master"
    assert store.delete([key(2)]) == 1


def look_up_all(store):
    """Everything a reader does."""
    assert [number_in(row) for row in store.read([key(1), key(2)])] == [1, None]
    assert [number_in(row) for row in asyncio.run(store.aread([key(1), key(2)]))] == [1, None]
    assert store.read([], ["state"]) == [b"2"]
    assert store.read_note("state") == b"2"


def test_the_users_of_the_guide_can_do_their_work_and_nothing_else(server):
    server.ask("SET", "fs:other:v@0:{1}", "x")
    *both, msetex = users()
    for command in both:
        server.ask(*command)
    if has_msetex(server):
        server.ask(*msetex)
    writer = opened(f"redis://shop_writer:WRITER_PASSWORD@{server.place}/3?{PATIENT}")
    reader = opened(f"redis://shop_reader:READER_PASSWORD@{server.place}/3?{PATIENT}")
    use_all(writer)
    look_up_all(reader)
    writer.take_lease("sync", "me", 60)
    assert reader.read_lease("sync") == Lease(owner="me", ends_in_s=None)
    refused = [
        (reader, lambda store: store.write(batch((key(1), 9, 9, NONE)))),
        (reader, lambda store: store.write(batch((key(1), 9, 9, NONE)), expect_new=True)),
        (reader, lambda store: store.write_note("state", b"3")),
        (reader, lambda store: store.delete([key(1)])),
        (reader, lambda store: list(store.keys(b"fs:shop:"))),
        (reader, lambda store: store.read([b"fs:other:v@0:{1}"])),
        (writer, lambda store: store.read([b"fs:other:v@0:{1}"])),
        (writer, lambda store: store.write(batch((b"fs:other:v@0:{1}", 9, 9, NONE)))),
        (writer, lambda store: store.delete([b"fs:other:v@0:{1}"])),
    ]
    for store, use in refused:
        with pytest.raises(
            OnlineStoreError, match=r"refused a command: NOPERM.*\n  -> allow the user the keys ~fs:shop:\*"
        ):
            use(store)
    look_up_all(reader)
    reader.close()
    writer.close()


def test_rows_of_many_expiries_are_set_by_the_run_where_a_server_can_and_the_user_may(server):
    """O1: whatever command sets them, each key has the row and the expiry of the same write."""
    *both, msetex = users()
    for command in both:
        server.ask(*command)
    store = opened(f"redis://shop_writer:WRITER_PASSWORD@{server.place}/0?{PATIENT}")
    far_ms = 4_000_000_000_000
    rows = [(key(number % 150), number, number * 7 % 300, NONE) for number in range(300)]
    expiries = [far_ms + 1_000 * (number * 7 % 300 // 25) for number in range(300)]
    newest = {each: number for _, each, number in sorted((event, each, number) for each, number, event, _ in rows)}

    def check():
        assert {each: number_in(row) for each, row in zip(newest, store.read(list(newest)), strict=True)} == newest
        assert {each: server.ask("PEXPIRETIME", each) for each in newest} == {
            each: expiries[number] for each, number in newest.items()
        }

    assert store.write(batch(*rows, expires_ms=expiries)) >= 150
    check()
    server.ask("FLUSHALL")
    new = {each: number for each, number, *_ in rows[:150]}
    for known in (0, 75):
        before = batch(*rows[:known], expires_ms=expiries[:known])
        assert store.write(before, expect_new=True) == known
        assert store.write(batch(*rows[:150], expires_ms=expiries[:150]), expect_new=True) == 150
        assert {each: server.ask("PEXPIRETIME", each) for each in new} == {
            each: expiries[number] for each, number in new.items()
        }
        server.ask("FLUSHALL")
    store.write(batch(*rows, expires_ms=[9] * 300))
    assert store.read(list(newest)) == [None] * 150, "equal pairs, told that they expired long ago"
    if has_msetex(server):
        server.ask("FLUSHALL")
        server.ask(*msetex)
        store.close()
        store = opened(f"redis://shop_writer:WRITER_PASSWORD@{server.place}/0?{PATIENT}")
        server.ask("CONFIG", "RESETSTAT")
        assert store.write(batch(*rows[:150], expires_ms=expiries[:150]), expect_new=True) == 150
        assert "cmdstat_set:" not in str(server.ask("INFO", "commandstats"))
        store.write(batch(*rows, expires_ms=expiries))
        check()
        assert "cmdstat_msetex" in str(server.ask("INFO", "commandstats"))
    store.close()


@pytest.mark.slow
def test_the_users_of_the_guide_can_do_their_work_in_a_cluster(tmp_path):
    if server_binary() is None:
        pytest.skip("no server of Redis or Valkey is installed here")
    cluster = start_cluster(tmp_path)
    try:
        for node in cluster.nodes:
            for command in users():
                node.ask(*command)
        place = cluster.nodes[0].place
        writer = opened(f"redis+cluster://shop_writer:WRITER_PASSWORD@{place}?{PATIENT}")
        reader = opened(f"redis+cluster://shop_reader:READER_PASSWORD@{place}?{PATIENT}")
        use_all(writer)
        look_up_all(reader)
        with pytest.raises(OnlineStoreError, match="refused a command: NOPERM"):
            reader.write(batch((key(1), 9, 9, NONE)))
        writer.close()
        reader.close()
    finally:
        cluster.stop()


@pytest.mark.slow
def test_sentinels_may_ask_for_a_login_of_their_own(tmp_path):
    if server_binary() is None:
        pytest.skip("no server of Redis or Valkey is installed here")
    sentinels = start_sentinel(tmp_path)
    try:
        for sentinel in sentinels.sentinels:
            rights = ["-@all", "+sentinel|get-master-addr-by-name"]
            sentinel.ask("ACL", "SETUSER", "finder", "on", ">SENTINEL_PASSWORD", *rights)
            sentinel.ask("ACL", "SETUSER", "default", "off")
        for command in users():
            sentinels.nodes[0].ask(*command)
        place = sentinels.uri.removeprefix("redis+sentinel://")
        login = "sentinel_username=finder&sentinel_password=SENTINEL_PASSWORD"
        store = opened(f"redis+sentinel://shop_writer:WRITER_PASSWORD@{place}?{PATIENT}&{login}")
        use_all(store)
        look_up_all(store)
        store.close()
        store = opened(f"redis+sentinel://shop_writer:WRITER_PASSWORD@{place}?{PATIENT}&write_timeout=0.3")
        with pytest.raises(OnlineStoreError, match=r"no Sentinel names the master: .*NOAUTH") as problem:
            store.read([key(1)])
        assert "PASSWORD" not in str(problem.value)
    finally:
        sentinels.stop()


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("shop_reader:geheim@", "refused the login\n  -> check user and password in the URI of the online store"),
        (":geheim@", "refused the login\n  -> check user and password in the URI of the online store"),
        ("", "wants a login\n  -> write user and password into its URI: redis://user:password@host"),
    ],
)
def test_a_wrong_or_missing_login_is_an_error_that_repeats_none(server, login, said):
    server.ask("ACL", "SETUSER", "shop_reader", "on", ">other", "~*", "+@all")
    server.ask("CONFIG", "SET", "requirepass", "other")
    store = opened(f"redis://{login}{server.place}/0?{PATIENT}")
    uses = [
        lambda: store.read([key(1)]),
        lambda: asyncio.run(store.aread([key(1)])),
        lambda: store.write(batch((key(1), 1, 1, NONE))),
        lambda: store.read_note("state"),
    ]
    for use in uses:
        with pytest.raises(OnlineStoreError) as problem:
            use()
        assert str(problem.value) == f"the online store at {server.place} {said}"
        assert "geheim" not in repr(problem.value.__cause__)
    assert "geheim" not in repr(store)


def test_a_database_that_is_not_there_is_an_error_that_says_so(server):
    store = opened(f"redis://{server.place}/99?{PATIENT}")
    with pytest.raises(OnlineStoreError, match="has no such database\n  -> name a smaller number in its URI"):
        store.read([key(1)])


def test_a_server_without_hello_is_spoken_to_in_resp2(server, tmp_path):
    """As one before Redis 6, or some proxies; it repeats the password in its refusal, we do not."""
    old = start_server(tmp_path, brand=None, options=["--rename-command", "HELLO", "", "--requirepass", "geheim"])
    try:
        store = opened(f"redis://:geheim@{old.place}/2?{PATIENT}")
        use_all(store)
        look_up_all(store)
        store.close()
        store = opened(f"redis://:wrong@{old.place}/2?{PATIENT}")
        with pytest.raises(OnlineStoreError, match="refused the login"):
            store.read([key(1)])
    finally:
        old.stop()


def test_a_cluster_and_a_single_server_are_not_taken_for_each_other(server, tmp_path):
    store = opened(f"redis+cluster://{server.place}?{PATIENT}")
    with pytest.raises(OnlineStoreError, match="is no Redis Cluster\n  -> write redis:// instead"):
        store.read([key(1)])
    node = start_server(tmp_path / "node", options=["--cluster-enabled", "yes"])
    try:
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 1)
        node.ask("CLUSTER", "BUMPEPOCH")
        store = opened(f"redis://{node.place}?{PATIENT}&write_timeout=0.3")
        with pytest.raises(OnlineStoreError, match=r"slots that no node serves|is a node of a Redis Cluster"):
            store.read([key(1)])
    finally:
        node.stop()


def test_a_socket_is_an_address_too(tmp_path):
    if server_binary() is None:
        pytest.skip("no server of Redis or Valkey is installed here")
    place = tmp_path / "redis.sock"
    server = start_server(tmp_path, options=["--unixsocket", place])
    try:
        store = opened(f"unix://{place}?db=2&{PATIENT}")
        use_all(store)
        look_up_all(store)
        store.close()
    finally:
        server.stop()
    store = opened(f"unix://{place}?db=2")
    with pytest.raises(OnlineStoreError, match=r"redis\.sock cannot be used"):
        store.read([key(1)])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a certificate of our own for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificates")
    write_certificate(folder)
    return folder


@pytest.fixture
def tls_port(certificates, valkey):
    """A port where TLS ends in front of a server that cannot."""
    valkey.empty()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    with proxy(valkey.port, tls=context) as made:
        yield made.port


def test_tls_is_spoken_and_the_certificate_checked(tls_port, certificates):
    trusted = f"ssl_ca_certs={certificates / 'cert.pem'}"
    for options in (trusted, "ssl_cert_reqs=none", f"{trusted}&ssl_check_hostname=false"):
        store = opened(f"rediss://127.0.0.1:{tls_port}/0?{PATIENT}&{options}")
        use_all(store)
        look_up_all(store)
        store.write_note("state", b"1")
        store.delete([key(1)])
        assert store.swap_note("state", b"1", None)
        store.close()
    for host, options in (("127.0.0.1", ""), ("localhost", trusted)):
        store = opened(f"rediss://{host}:{tls_port}/0?{PATIENT}&{options}")
        for use in (lambda store=store: store.read([key(1)]), lambda store=store: asyncio.run(store.aread([key(1)]))):
            with pytest.raises(OnlineStoreError, match="certificate"):
                use()


def test_certificates_that_are_renewed_on_disk_are_read_again(valkey, tmp_path):
    valkey.empty()
    write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with proxy(valkey.port, tls=context) as made:
        store = opened(f"rediss://127.0.0.1:{made.port}/0?{PATIENT}&ssl_ca_certs={tmp_path / 'cert.pem'}")
        assert store.read_note("state") is None
        write_certificate(tmp_path)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        made.close_all()
        assert store.read_note("state") is None
        assert store.read([key(1)]) == [None]
        assert asyncio.run(store.aread([key(1)])) == [None]
        store.close()


def test_a_server_that_speaks_tls_itself_is_reached(certificates, tmp_path):
    """Debian's can; it also asks for our certificate."""
    if server_binary("redis") is None:
        pytest.skip("no redis-server on the PATH")
    (port,) = free_ports(1)
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "cert.pem"}
    options = [each for name, file in files.items() for each in (f"--tls-{name}-file", certificates / file)]
    try:
        server = start_server(tmp_path, brand="redis", options=["--tls-port", port, *options])
    except AssertionError:
        pytest.skip("the redis-server on the PATH is built without TLS")
    ours = f"ssl_certfile={certificates / 'cert.pem'}&ssl_keyfile={certificates / 'key.pem'}"
    try:
        store = opened(f"rediss://127.0.0.1:{port}/0?{PATIENT}&ssl_ca_certs={certificates / 'cert.pem'}&{ours}")
        use_all(store)
        look_up_all(store)
        rows = [(key(number), number, 5, NONE) for number in range(5_000)]
        assert store.write(batch(*rows)) == 5_000
        assert [number_in(row) for row in store.read([each for each, *_ in rows])] == list(range(5_000))
        store.close()
        store = opened(f"rediss://127.0.0.1:{port}/0?{PATIENT}&ssl_ca_certs={certificates / 'cert.pem'}")
        with pytest.raises(OnlineStoreError, match="cannot be used"):
            store.read([key(1)])
    finally:
        server.stop()


def test_a_plain_port_is_no_tls_port(valkey):
    store = opened(f"rediss://{valkey.place}/0?connect_timeout=3")
    with pytest.raises(OnlineStoreError, match="cannot be used: no connection"):
        store.read([key(1)])
