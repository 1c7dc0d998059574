"""The URI of a Redis store: what it may say, and that no error repeats its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.errors import UsageError
from featurestore.online.open import open_online_store
from featurestore.online.redis.uri import parse_redis_uri


def parsed(uri):
    return parse_redis_uri(uri, base_dir=Path("/base"))


@pytest.mark.parametrize(
    ("uri", "kind", "endpoints", "db"),
    [
        ("redis://", "standalone", ["localhost:6379"], 0),
        ("redis://host/3", "standalone", ["host:6379"], 3),
        ("redis://host:7000?db=3", "standalone", ["host:7000"], 3),
        ("rediss://[::1]:7000/0", "standalone", ["[::1]:7000"], 0),
        ("unix:///run/redis.sock?db=2", "standalone", ["/run/redis.sock"], 2),
        ("unix:redis.sock", "standalone", ["/base/redis.sock"], 0),
        ("redis+sentinel://a,b:26380/prod/1", "sentinel", ["a:26379", "b:26380"], 1),
        ("redis+cluster://a,b:7000", "cluster", ["a:6379", "b:7000"], 0),
        ("rediss+cluster://u:p@a:7000/0", "cluster", ["a:7000"], 0),
    ],
)
def test_forms(uri, kind, endpoints, db):
    address = parsed(uri)
    assert (address.kind, [endpoint.name for endpoint in address.endpoints], address.db) == (kind, endpoints, db)


def test_names_and_passwords_may_be_escaped_and_are_not_shown():
    address = parsed(
        "rediss+sentinel://us%40er:p%2Fw%3A@a,b/prod/1"
        "?sentinel_username=s&sentinel_password=t%26u&ssl_ca_certs=/ca.pem&ssl_check_hostname=false"
    )
    assert (address.login.username, address.login.password) == ("us@er", "p/w:")
    assert (address.sentinel_login.username, address.sentinel_login.password) == ("s", "t&u")
    assert (address.master, address.place) == ("prod", "a:26379,b:26379/prod")
    assert (address.tls.ca_certs, address.tls.is_hostname_checked) == ("/ca.pem", False)
    for secret in ("p/w:", "t&u", "us@er"):
        assert secret not in repr(address)
    assert address.without_secrets("ERR unknown, with args: p/w: and t&u") == "ERR unknown, with args: *** and ***"


def test_limits_have_defaults_and_writes_wait_for_a_failover_where_there_is_one():
    limits = parsed("redis://host").limits
    assert (limits.connect_timeout_s, limits.read_timeout_s, limits.write_timeout_s) == (0.1, 0.05, 5.0)
    assert (limits.max_connections, limits.max_requests) == (50, 1_000)
    assert (limits.breaker_failures, limits.breaker_pause_s) == (5, 1.0)
    assert parsed("redis+cluster://host").limits.write_timeout_s == 30.0
    assert parsed("redis+sentinel://host/m?write_timeout=7").limits.write_timeout_s == 7.0
    assert parsed("redis://host?breaker_failures=0").limits.breaker_failures == 0


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("redis://:gehe/im@host:6379/0", "cannot read the online store's URI"),
        ("redis://u:12/geheim@host/0", "cannot read the online store's URI"),
        ("redis://u:12?geheim@host/0", "cannot read the online store's URI"),
        ("redis://u:12#geheim@host/0", "cannot read the online store's URI"),
        ("redis+sentinel://u:12/geheim@host/0", "cannot read the online store's URI"),
        ("redis://:geheim@host:port/0", "cannot read the online store's URI"),
        ("redis://:geheim@host:99999/0", "cannot read the online store's URI"),
        ("redis://:geheim@[host/0", "cannot read the online store's URI"),
        ("redis://:geheim@a,b/0", "names several hosts of one server"),
        ("redis+sentinel://:geheim@a,b", "does not name the master that the Sentinels know"),
        ("redis+cluster://:geheim@a,b/1", "a Redis Cluster has only database 0"),
        ("redis://:geheim@host/zero", "db in the URI of the online store: expected a whole number, got 'zero'"),
        ("redis://:geheim@host/0?max_conections=3", "did you mean max_connections?"),
        ("redis://:geheim@host/0?sentinel_password=geheim", "no option 'sentinel_password'"),
        ("redis://:geheim@host/0?max_connections=0", "expected at least 1, got 0"),
        ("redis://:geheim@host/0?read_timeout=50ms", "read_timeout in the URI of the online store: expected seconds"),
        ("redis://:geheim@host/0?read_timeout=0", "expected seconds such as 0.05, got '0'"),
        ("redis://:geheim@host/0?read_timeout=nan", "expected seconds such as 0.05, got 'nan'"),
        ("redis://:geheim@host/0?read_timeout=", "expected seconds such as 0.05, got ''"),
        ("rediss://:geheim@host/0?ssl_cert_reqs=maybe", "expected required, optional, none, got 'maybe'"),
    ],
)
def test_a_uri_that_cannot_be_read(uri, said):
    with pytest.raises(UsageError) as problem:
        open_online_store(uri, project="shop", base_dir=Path())
    assert said in str(problem.value)
    assert "geheim" not in str(problem.value)
    assert "gehe" not in str(problem.value)
