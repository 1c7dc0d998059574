"""API keys: looked up so that the time it takes tells nothing; a header is read strictly and remembered a while."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featurestore.definitions.server import ApiKey, ServerSettings
from featurestore.errors import UsageError
from featurestore.server.auth.guard import LONGEST_HEADER_BYTES, MOST_KEPT, Guard
from featurestore.server.auth.keys import Keys
from featurestore.server.auth.scopes import ANYBODY
from featurestore.server.problems import RefusedError
from tests.server.auth.issuer import header


def api_key(name, key, *scopes):
    return ApiKey(name=name, sha256=hashlib.sha256(key.encode()).hexdigest(), scopes=scopes or ("read:*",))


WEB, LOADER = api_key("web", "fsk_web"), api_key("loader", "fsk_loader", "write:orders", "admin:*")


def guard(*keys):
    return Guard(ServerSettings(keys=keys))


def ask(asked, authorization):
    return asyncio.run(asked.ask(authorization))


def refusal(asked, authorization):
    with pytest.raises(RefusedError) as caught:
        ask(asked, authorization)
    return caught.value


def test_each_key_has_its_own_name_and_scopes():
    asked = guard(WEB, LOADER)
    assert ask(asked, header("fsk_web")).name == "web"
    loader = ask(asked, header("fsk_loader"))
    assert (loader.name, loader.scopes) == ("loader", {"write:orders", "admin:*"})


def test_without_keys_and_issuer_everybody_is_anybody():
    asked = guard()
    assert not asked.needs_anything
    assert asked.known(None) is asked.known(b"whatever") is ANYBODY
    assert ask(asked, b"\xff") is ANYBODY


@pytest.mark.parametrize(
    ("why", "authorization", "message"),
    [
        ("there is none", None, "nobody knows who asks"),
        ("it is empty", b"", "nobody knows who asks"),
        ("another scheme", b"Basic d2ViOmZza193ZWI=", "the header Authorization cannot be read"),
        ("the key alone", b"fsk_web", "the header Authorization cannot be read"),
        ("no key", b"Bearer ", "the header Authorization cannot be read"),
        ("two keys", b"Bearer fsk_web fsk_loader", "the header Authorization cannot be read"),
        (
            "two keys, as some proxies join headers",
            b"Bearer no, Bearer fsk_web",
            "the header Authorization cannot be read",
        ),
        ("more lines", b"Bearer fsk_web\r\nX: y", "the header Authorization cannot be read"),
        ("not ASCII", "Bearer fsk_wéb".encode(), "the header Authorization cannot be read"),
        ("a NUL", b"Bearer fsk_web\0", "the header Authorization cannot be read"),
        ("it is huge", b"Bearer " + b"a" * LONGEST_HEADER_BYTES, "the header Authorization cannot be read"),
        ("the key is unknown", b"Bearer fsk_wex", "this key is not known here"),
        ("a part of a key", b"Bearer fsk_we", "this key is not known here"),
        ("more than a key", b"Bearer fsk_webb", "this key is not known here"),
        ("another case", b"Bearer FSK_WEB", "this key is not known here"),
        ("the hash in place of the key", header(WEB.sha256), "this key is not known here"),
        ("a token where there is no issuer", b"Bearer a.b.c", "this key is not known here"),
    ],
)
def test_a_header_is_refused_when(why, authorization, message):
    refused = refusal(guard(WEB, LOADER), authorization)
    assert (refused.status, refused.headers) == (401, ((b"www-authenticate", b"Bearer"),))
    assert refused.message.startswith(message)


@pytest.mark.parametrize("authorization", [b"Bearer fsk_web", b"bearer fsk_web", b"BEARER  fsk_web "])
def test_the_scheme_has_no_case_and_spaces_say_nothing(authorization):
    assert ask(guard(WEB), authorization).name == "web"


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"Bearer " + rest))
@example(b"Bearer " + b"=" * 7_000)
@example(b"Bearer " + b" " * 8_000)
@example(b"Bearer " + b"a" * 100_000)
def test_whatever_a_header_holds_it_is_let_in_or_refused(authorization):
    assert refusal(guard(WEB), authorization).status == 401


def test_a_key_is_compared_with_every_key_in_constant_time(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append(one) or real(one, other))
    keys = [api_key(f"key-{number}", f"fsk_{number}") for number in range(5)]
    for token in (b"fsk_0", b"fsk_4", b"none of them"):
        compared.clear()
        Keys(keys).find(token)
        assert compared == [bytes.fromhex(key.sha256) for key in keys]


def test_two_keys_of_one_hash_are_refused():
    with pytest.raises(UsageError) as caught:
        guard(WEB, api_key("app", "fsk_web"))
    assert str(caught.value) == (
        "the keys 'web' and 'app' are the same key\n  -> make one of them anew: `featurestore server-key`"
    )


def test_a_header_that_was_let_in_is_known_from_then_on_and_a_wrong_one_never():
    asked = guard(WEB)
    assert asked.known(header("fsk_web")) is None
    assert asked.known(None) is None
    let_in = ask(asked, header("fsk_web"))
    assert asked.known(header("fsk_web")) is let_in
    for number in range(3):
        refusal(asked, header(f"wrong-{number}"))
        assert asked.known(header(f"wrong-{number}")) is None
    assert len(asked._kept) == 1


def test_what_is_remembered_is_bounded_and_what_is_used_stays():
    keys = [api_key(f"key-{number}", f"fsk_{number}") for number in range(3)]
    asked = guard(*keys)

    async def ask_often():
        await asked.ask(header("fsk_0"))
        for spaces in range(1, MOST_KEPT + 50):
            await asked.ask(b"Bearer " + b" " * spaces + b"fsk_1")
            assert asked.known(header("fsk_0")) is not None

    asyncio.run(ask_often())
    assert len(asked._kept) == MOST_KEPT
    assert asked.known(header("fsk_0")).name == "key-0"
    assert asked.known(b"Bearer  fsk_1") is None


@pytest.mark.parametrize(
    ("keys", "possible"),
    [
        ((), {"read"}),
        ((WEB,), {"read"}),
        ((LOADER,), {"write", "admin"}),
        ((WEB, LOADER), {"read", "write", "admin"}),
    ],
)
def test_what_anybody_at_all_can_be_allowed(keys, possible):
    assert {action for action in ("read", "write", "admin") if guard(*keys).has_scope(action)} == possible


def test_no_key_and_no_hash_is_in_a_repr_or_a_message():
    asked = guard(WEB)
    let_in = ask(asked, header("fsk_web"))
    shown = [repr(it) for it in (asked, let_in, WEB, ServerSettings(keys=(WEB,)), Keys((WEB,)))]
    refused = refusal(asked, header("fsk_canary"))
    text = " ".join([*shown, str(refused), repr(refused), refused.message])
    assert not [secret for secret in ("fsk_", WEB.sha256, "canary") if secret in text]


def test_a_server_with_keys_alone_loads_no_library_for_tokens_and_nothing_heavy():
    code = (
        "import sys\n"
        "from featurestore.definitions.server import ApiKey, ServerSettings\n"
        "from featurestore.server.auth.guard import Guard\n"
        f"Guard(ServerSettings(keys=(ApiKey(name='a', sha256='{WEB.sha256}', scopes=('read:*',)),)))\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"jwt", "cryptography", "httpx", "pyarrow", "duckdb", "sqlglot", "pandas", "numpy", "yaml", "jinja2"}
    assert not heavy & set(loaded)
