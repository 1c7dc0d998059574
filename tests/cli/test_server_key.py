"""`featurestore server-key`: a key that is shown once, and what the server needs to know it by."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from featurestore.manifest.settings import load_settings
from tests.cli.tiny import orders


def test_the_key_is_the_result_and_what_to_write_is_talk(tiny):
    before = sorted(path.name for path in tiny.folder.rglob("*"))
    ran = tiny.run("server-key", "web-shop", "--scope", "read:orders@2", "--scope", "write:*", "--scope", "write:*")
    (key,) = ran.lines
    assert (ran.code, key[:4], len(key)) == (0, "fsk_", 47)
    assert key not in ran.err
    talk, _, written = ran.err.partition("\n\n")
    assert talk.startswith("This key is shown once and kept nowhere.")
    assert yaml.safe_load(written) == {
        "server": {
            "keys": [
                {
                    "name": "web-shop",
                    "sha256": hashlib.sha256(key.encode()).hexdigest(),
                    "scopes": ["read:orders@v2", "write:*"],
                }
            ]
        }
    }
    assert sorted(path.name for path in tiny.folder.rglob("*")) == before


def test_what_it_says_to_write_is_read_by_the_settings_whatever_the_name(tmp_path, tiny):
    for name in ("web", "007", "1e3", "true", "null", "2026-01-01"):
        ran = tiny.run("server-key", name, "--scope", "read:*")
        (tmp_path / "featurestore.yml").write_text(ran.err.partition("\n\n")[2])
        assert [key.name for key in load_settings(tmp_path, target="dev", environ={}).server.keys] == [name]


def test_two_keys_are_never_the_same(tiny):
    keys = {tiny.run("server-key", "web", "--scope", "read:*").out for _ in range(5)}
    assert len(keys) == 5


def test_as_json_all_of_it_is_the_result(tiny):
    ran = tiny.run("server-key", "web", "--scope", "read:*", "--json")
    found = json.loads(ran.out)
    assert ran.err == ""
    assert found == {
        "name": "web",
        "key": found["key"],
        "sha256": hashlib.sha256(found["key"].encode()).hexdigest(),
        "scopes": ["read:*"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["web"], "Missing option '--scope'"),
        (["--scope", "read:*"], "Missing argument 'NAME'"),
        (
            ["web", "--scope", "read"],
            "--scope: expected a scope, read:VIEW, read:VIEW@v2, read:*, write:VIEW, write:* or admin:*, got",
        ),
        (
            ["a b", "--scope", "read:*"],
            "NAME: expected a name of up to 64 letters, digits, dots, dashes and underscores",
        ),
        (["", "--scope", "read:*"], "NAME: expected a name of up to 64 letters, digits, dots, dashes and underscores"),
    ],
)
def test_bad_input_makes_no_key(tiny, arguments, message):
    ran = tiny.run("server-key", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_second_key_is_an_item_to_add(tiny):
    """A second `server:` in the file would be refused."""
    (tiny.folder / "featurestore.yml").write_text("server:\n  keys: []\n")
    ran = tiny.run("server-key", "web", "--scope", "read:*")
    talk, _, written = ran.err.partition("\n\n")
    assert "add under server.keys" in talk
    assert [key["name"] for key in yaml.safe_load(written)] == ["web"]


def test_a_scope_for_a_view_that_is_not_there_is_warned_of(tiny):
    tiny.write_manifest(orders())
    assert tiny.run("apply").code == 0
    ran = tiny.run("server-key", "web", "--scope", "read:ordres", "--scope", "read:orders")
    assert ran.code == 0
    assert "no feature view 'ordres'" in ran.err
    assert "no feature view 'orders'" not in ran.err
