"""A page in somebody's browser cannot read what a server without keys answers, whatever its name points to."""

from __future__ import annotations

import pytest

from featurestore.server.exposure import Hosts
from featurestore.server.problems import RefusedError
from tests.server.auth.running import LOADER, make_shop, serving, settings_text
from tests.server.running import message, running

ASKED = {"features": ["days:n"], "entities": {}}
PATHS = ("/", "/health", "/ready", "/openapi.json", "/feature-views", "/nowhere")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:6566", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_a_server_without_keys_answers_to_no_other_name(server, host):
    """DNS rebinding: the browser asks 127.0.0.1, and thinks that it is the page's own server."""
    refused = server.post("/get-online-features", ASKED, host=host)
    assert (refused.status_code, "localhost" in message(refused)) == (403, True)
    assert {server.get(path, host=host).status_code for path in PATHS} == {403}


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1", "127.8.9.1:6566", "[::1]:6566", "[::1]"])
def test_it_answers_to_the_names_of_this_machine(server, host):
    assert server.post("/get-online-features", ASKED, host=host).status_code == 200
    assert server.get("/", host=host).status_code == 200


def test_a_unix_socket_and_a_server_with_keys_answer_to_any_name(shop_folder, tmp_path):
    with running(shop_folder, "--uds", str(tmp_path / "s")) as server:
        assert server.get("/feature-views", host="shop.example").status_code == 200
    tiny = make_shop(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(settings_text())
    with serving(tiny) as server:
        assert server.ask(key=LOADER, json=None, path="/feature-views", headers={"host": "x.y"}).status_code == 200


def test_names_that_are_kept_are_bounded():
    hosts = Hosts()
    for port in range(1_000):
        hosts.check(b"localhost:%d" % port)
    assert len(hosts._good) <= 64
    with pytest.raises(RefusedError):
        hosts.check(b"evil.example")
