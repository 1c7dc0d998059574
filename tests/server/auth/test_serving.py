"""A server with keys: who may ask for what, from where, and from which pages."""

from __future__ import annotations

import re
import socket

import pytest

from featurestore.definitions.server import ApiKey, ServerSettings
from featurestore.errors import UsageError
from featurestore.server.exposure import check_exposure, is_exposed
from tests.server.auth.issuer import header, running_issuer
from tests.server.auth.running import (
    LOADER,
    LOOKUP,
    OPERATOR,
    READER,
    make_shop,
    message_of,
    serving,
    settings_text,
    until,
)

PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    tiny = make_shop(tmp_path_factory.mktemp("served") / "shop")
    (tiny.folder / "featurestore.yml").write_text(settings_text(cors=[PAGE]))
    return tiny


@pytest.fixture(scope="module")
def server(shop):
    with serving(shop) as running:
        yield running


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_need_no_key(server, path):
    assert server.ask(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/feature-views", "/feature-services", "/metrics", "/nowhere", "//health", "/health/"]
)
def test_everything_else_needs_one(server, path):
    answer = server.ask(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert message_of(answer.content).startswith("nobody knows who asks\n  -> send the header")


def test_a_lookup_needs_a_key_that_may_read_the_view(server):
    nobody = server.look_up()
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    assert server.look_up("fsk_wrong").status_code == 401
    known = server.look_up(READER)
    assert known.status_code == 200
    assert known.json()["metadata"]["feature_names"] == ["customer_id", "order_count"]
    operator = server.look_up(OPERATOR)
    assert operator.status_code == 403
    assert operator.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert message_of(operator.content) == (
        "'operates' may not read feature view 'orders'\n  -> it needs the scope read:orders"
    )


@pytest.mark.parametrize(
    "what",
    [
        {"features": ["payments:amount"]},
        {"features": ["orders:order_count", "payments:amount"]},
        {"features": ["payments[customer_id=customer_id] as orders:amount"]},
        {"features": ["payments"], "full_feature_names": True},
        {"features": None, "feature_service": "both"},
    ],
)
def test_no_way_of_asking_reads_a_view_that_a_key_may_not_read(server, what):
    for _ in range(2):
        assert server.look_up(LOADER, **what).status_code == 200
        refused = server.look_up(READER, **what)
        assert refused.status_code == 403
        assert "payments" in message_of(refused.content)


def test_what_there_is_shows_only_what_may_be_read(server):
    def listed(key):
        views = server.ask("/feature-views", key=key).json()["feature_views"]
        services = server.ask("/feature-services", key=key).json()["feature_services"]
        return [view["name"] for view in views], [service["name"] for service in services]

    assert listed(LOADER) == (["orders", "payments"], ["both", "churn"])
    assert listed(READER) == (["orders"], ["churn"])
    assert listed(OPERATOR) == ([], [])


def test_names_that_are_near_are_told_to_those_only_who_may_read_everything(server):
    near = message_of(server.look_up(LOADER, features=["payment:amount"]).content)
    assert near == "no feature view 'payment' in the registry\n  -> did you mean payments?"
    assert message_of(server.look_up(READER, features=["payment:amount"]).content) == near.partition("\n")[0]
    features = message_of(server.look_up(READER, features=["payments:nothing"]).content)
    assert features == "no feature 'nothing' in feature view payments"


def test_a_page_of_a_configured_origin_may_ask_and_no_other(server):
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = server.ask("/get-online-features", method="OPTIONS", headers=asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in allowed.headers
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    for origin in ("https://evil.example.com", "https://app.example.com.evil.com", "null"):
        refused = server.ask("/get-online-features", method="OPTIONS", headers={**asked, "origin": origin})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        answer = server.ask(key=READER, json=LOOKUP, headers={"origin": origin})
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (200, False)
    assert server.ask(key=READER, json=LOOKUP, headers={"origin": PAGE}).headers["access-control-allow-origin"] == PAGE
    assert server.ask(json=LOOKUP, headers={"origin": PAGE}).headers["access-control-allow-origin"] == PAGE


def test_without_configured_origins_no_header_of_them_is_sent(shop, tmp_path):
    tiny = make_shop(tmp_path / "shop")
    with serving(tiny) as open_server:
        answer = open_server.ask(json=LOOKUP, headers={"origin": PAGE})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
        preflight = open_server.ask(method="OPTIONS", headers={"origin": PAGE, "access-control-request-method": "POST"})
        assert preflight.status_code == 405


def test_no_key_is_in_the_log(server):
    server.look_up("fsk_wrong-and-secret")
    server.look_up(READER)
    said = until(lambda: "reads-orders-only" in server.told.read_text() and server.told.read_text())
    assert not [secret for secret in ("fsk_", "wrong-and-secret") if secret in said + server.said.read_text()]


def test_tokens_of_an_issuer_are_let_in(tmp_path):
    tiny = make_shop(tmp_path / "shop")
    with running_issuer() as issuer:
        oidc = {"issuer": issuer.url, "audience": "shop", "jwks_url": f"{issuer.url}/keys"}
        (tiny.folder / "featurestore.yml").write_text(settings_text({}, oidc=oidc))
        with serving(tiny) as server:
            for scope, status in (("read:orders", 200), ("read:payments", 403), ("openid", 403)):
                token = header(issuer.token(scope=scope)).decode()
                assert server.ask(json=LOOKUP, headers={"authorization": token}).status_code == status
            assert server.look_up().status_code == 401
            assert "eyJ" not in server.said.read_text()


KEYS = ServerSettings(keys=(ApiKey(name="web", sha256="ab" * 32, scopes=("read:*",)),))


def bound(host, family=socket.AF_INET):
    """A socket that is bound and hears nobody."""
    made = socket.socket(family)
    made.bind((host, 0))
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_this_machine_may_always_ask(host):
    with bound(host) as listener:
        assert check_exposure(listener, ServerSettings(), has_tls=False) == ""


def test_an_address_that_others_reach_needs_keys_or_is_said_to_be_insecure():
    with bound("0.0.0.0") as listener:
        with pytest.raises(UsageError) as refused:
            check_exposure(listener, ServerSettings(), has_tls=True)
        assert str(refused.value) == (
            "0.0.0.0 can be reached from other machines, and nobody is asked who asks\n"
            "  -> make a key with `featurestore server-key`, listen on 127.0.0.1, or give --insecure if whoever "
            "reaches the port may read every feature"
        )
        said = check_exposure(listener, ServerSettings(), has_tls=True, is_insecure=True)
        assert said == "whoever reaches this address may read every feature (--insecure)"
        assert check_exposure(listener, KEYS, has_tls=False).startswith("keys and tokens travel unencrypted; ")
        assert check_exposure(listener, KEYS, has_tls=True) == ""


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_so_does_one_of_ipv6():
    with bound("::", socket.AF_INET6) as everywhere, bound("::1", socket.AF_INET6) as here:
        assert (is_exposed(everywhere), is_exposed(here)) == (True, False)


def test_the_command_refuses_before_anybody_is_answered(tmp_path):
    tiny = make_shop(tmp_path / "shop")
    refused = tiny.run_apart("serve", "--host", "0.0.0.0", "--port", "0")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Error: 0.0.0.0 can be reached from other machines, and nobody is asked who asks\n")


def test_a_unix_socket_and_loopback_need_no_key(tmp_path):
    import httpx

    tiny = make_shop(tmp_path / "shop")
    place = tmp_path / "s"
    with serving(tiny, "--uds", str(place)):
        transport = httpx.HTTPTransport(uds=str(place))
        with httpx.Client(transport=transport, base_url="http://shop") as client:
            assert client.post("/get-online-features", json=LOOKUP).status_code == 200


def test_a_server_never_starts_with_the_settings_of_another_target(tmp_path):
    tiny = make_shop(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(
        "targets:\n  prod:\n    " + settings_text().partition("\n")[2].replace("server: ", "server: ")
    )
    places = {
        "FEATURESTORE_REGISTRY": ".featurestore/registry/",
        "FEATURESTORE_ONLINE_STORE": "sqlite:.featurestore/online.sqlite",
    }
    refused = tiny.run_apart("serve", "--port", "0", environ=places)
    assert refused.code == 2
    assert re.search(r"the settings differ by dbt target, and none is named\n  -> add --target prod", refused.err)
    assert tiny.run_apart("serve", "--port", "0", "--target", "prd", environ=places).code == 2
    with serving(tiny, "--target", "prod", environ=places) as server:
        assert (server.look_up().status_code, server.look_up(READER).status_code) == (401, 200)
    with serving(tiny, "--target", "dev", environ=places) as server:
        assert server.look_up().status_code == 200


def test_a_server_whose_settings_are_wrong_does_not_start(tmp_path):
    tiny = make_shop(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(
        "server: {keys: [{name: web, sha256: \"{{ env_var('NO_HASH') }}\"}]}\n"
    )
    refused = tiny.run_apart("serve", "--port", "0")
    assert refused.code == 2
    assert "server.keys[0].sha256: environment variable 'NO_HASH' is not set" in refused.err
