"""`server:` of `featurestore.yml`: what it means, and what is refused."""

from __future__ import annotations

import pytest

from featurestore.definitions.server import ApiKey, Limits, Oidc, ServerSettings
from featurestore.errors import UsageError
from featurestore.manifest.settings import Settings, load_settings

HASH = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
KEY = f"{{name: web, sha256: '{HASH}', scopes: ['read:*']}}"
OIDC = "issuer: 'https://id.example.com', audience: shop"
A_SECRET = "fsk_canary-that-somebody-pasted-in-place-of-its-hash"
MAKE_A_KEY = "\n  -> `featurestore server-key NAME --scope read:*` makes a key and says what to write here"
WRITE_A_SCOPE = '\n  -> write `scopes: ["read:*"]` for a key that reads everything'
NO_HASH = "expected the SHA-256 of the key, 64 hexadecimal digits in quotes"
FORMS = "expected a scope, read:VIEW, read:VIEW@v2, read:*, write:VIEW, write:* or admin:*, got"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project, text, *, target="dev", **environ):
    (project / "featurestore.yml").write_text(text)
    return load_settings(project, target=target, environ=environ)


def server(project, text, **environ):
    return settings(project, f"server: {{{text}}}", **environ).server


def refusal(project, text):
    with pytest.raises(UsageError) as caught:
        server(project, text)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "server:\n", "server: {}\n", "server: {keys: , oidc: , limits: , cors: }\n"])
def test_a_block_that_says_nothing_is_as_good_as_none(project, text):
    found = settings(project, text)
    assert found == Settings()
    assert found.server == ServerSettings()
    assert not found.server.asks_who


def test_all_keys_are_read(project):
    found = server(
        project,
        f"keys: [{{name: web, sha256: '{HASH.upper()}', scopes: ['read:orders', 'read:users@2', 'admin:*']}}],"
        f"oidc: {{{OIDC}, jwks_url: 'http://127.0.0.1:8001/keys', algorithms: [ES256, EdDSA], scopes_claim: roles}},"
        "limits: {body_bytes: 1, entities: 2, features: 3, store_calls: 4, waiting: 5, header_s: 250ms, body_s: 2.5},"
        "cors: ['https://app.example.com', 'http://localhost:3000']",
    )
    assert found == ServerSettings(
        keys=(ApiKey(name="web", sha256=HASH, scopes=("read:orders", "read:users@v2", "admin:*")),),
        oidc=Oidc(
            issuer="https://id.example.com",
            audience="shop",
            jwks_url="http://127.0.0.1:8001/keys",
            algorithms=("ES256", "EdDSA"),
            scopes_claim="roles",
        ),
        limits=Limits(body_bytes=1, entities=2, features=3, store_calls=4, waiting=5, header_s=0.25, body_s=2.5),
        cors=("https://app.example.com", "http://localhost:3000"),
    )


def test_what_is_not_said_has_its_default(project):
    found = server(project, f"oidc: {{{OIDC}}}, limits: {{entities: 7}}")
    assert found.oidc == Oidc(issuer="https://id.example.com", audience="shop")
    assert found.limits == Limits(entities=7)


def test_a_targets_server_takes_the_place_of_the_other_as_a_whole(project):
    text = f"server: {{keys: [{KEY}], limits: {{entities: 7}}}}\ntargets: {{prod: {{server: {{cors: ['https://a.b']}}}}}}\n"
    assert settings(project, text).server.limits.entities == 7
    assert settings(project, text, target="prod").server == ServerSettings(cors=("https://a.b",))


def test_values_are_rendered_with_env_var(project):
    key = "{name: web, sha256: \"{{ env_var('HASH') }}\", scopes: ['read:*']}"
    found = server(project, f"keys: [{key}], limits: {{entities: \"{{{{ env_var('MOST') }}}}\"}}", HASH=HASH, MOST="12")
    assert (found.keys[0].sha256, found.limits.entities) == (HASH, 12)


def test_only_a_server_minds_that_a_variable_of_the_server_is_missing(project):
    found = settings(project, "registry: here\nserver: {cors: [\"{{ env_var('ORIGIN') }}\"]}\n")
    assert found.registry.uri == "here"
    with pytest.raises(UsageError) as caught:
        assert found.server
    assert str(caught.value) == (
        "featurestore.yml: server.cors[0]: environment variable 'ORIGIN' is not set\n"
        "  -> set it, or give a default: env_var('ORIGIN', 'default')"
    )


def test_neither_a_key_nor_its_hash_is_in_the_repr(project):
    assert HASH not in repr(settings(project, f"server: {{keys: [{KEY}]}}"))


@pytest.mark.parametrize(
    ("mistake", "text", "message"),
    [
        ("an unknown key", "kees: []", "server: unknown key 'kees'\n  -> did you mean keys?"),
        ("of an issuer", f"oidc: {{{OIDC}, jwks: x}}", "server.oidc: unknown key 'jwks'\n  -> did you mean jwks_url?"),
        ("of the limits", "limits: {body: 1}", "server.limits: unknown key 'body'\n  -> did you mean body_s?"),
        ("keys as a mapping", "keys: {web: x}", f"server.keys: expected a list of keys{MAKE_A_KEY}"),
        ("a key as text", "keys: [web]", f"server.keys[0]: expected a mapping of name, sha256, scopes{MAKE_A_KEY}"),
        (
            "a name twice",
            f"keys: [{KEY}, {{name: web, sha256: '{OTHER}', scopes: ['read:*']}}]",
            "server.keys[1]: two keys are named 'web'\n  -> give each a name of its own",
        ),
        (
            "a key twice",
            f"keys: [{KEY}, {{name: app, sha256: '{HASH.upper()}', scopes: ['read:*']}}]",
            f"server.keys[1]: 'app' and 'web' are the same key{MAKE_A_KEY}",
        ),
        ("an issuer as text", "oidc: 'https://a.b'", "server.oidc: expected a mapping of keys, got 'https://a.b'"),
        (
            "no issuer",
            "oidc: {audience: shop}",
            "server.oidc: expected 'issuer'\n  -> add `issuer:`, as the issuer has it",
        ),
        (
            "no audience",
            "oidc: {issuer: 'https://a.b'}",
            "server.oidc: expected 'audience'\n  -> add `audience:`, as the issuer has it",
        ),
        (
            "keys over plain http",
            f"oidc: {{{OIDC}, jwks_url: 'http://id.example.com/keys'}}",
            (
                "server.oidc.jwks_url: expected an https:// URL without a user, got 'http://id.example.com/keys'\n"
                "  -> http:// is taken for localhost and 127.0.0.1 only"
            ),
        ),
        (
            "no algorithm",
            f"oidc: {{{OIDC}, algorithms: []}}",
            "server.oidc.algorithms: expected at least one algorithm, got []",
        ),
        (
            "origins as text",
            "cors: 'https://a.b'",
            "server.cors: expected a list of names, got 'https://a.b'\n  -> write `cors: [https://a.b]`",
        ),
    ],
)
def test_one_clear_problem(project, mistake, text, message):
    assert refusal(project, text) == f"featurestore.yml: {message}", mistake


@pytest.mark.parametrize(
    ("mistake", "instead", "message"),
    [
        ("no name", {"name": None}, ".name: expected the key's name, got null"),
        ("a name of no letters", {"name": "''"}, ".name: expected the key's name, got ''"),
        (
            "a name that breaks a line of a log",
            {"name": '"a\\nb"'},
            ".name: expected up to 64 letters, digits, dots, dashes and underscores, got 'a\\nb'",
        ),
        ("no hash", {"sha256": None}, f".sha256: {NO_HASH}{MAKE_A_KEY}"),
        ("a hash that is too short", {"sha256": "abc"}, f".sha256: {NO_HASH}{MAKE_A_KEY}"),
        ("a hash with a line's end", {"sha256": f'"{HASH}\\n"'}, f".sha256: {NO_HASH}{MAKE_A_KEY}"),
        ("a hash of digits without quotes", {"sha256": "1" * 64}, f".sha256: {NO_HASH}{MAKE_A_KEY}"),
        ("no scopes", {"scopes": None}, f".scopes: expected at least one scope, got null{WRITE_A_SCOPE}"),
        ("an empty list of scopes", {"scopes": "[]"}, f".scopes: expected at least one scope, got []{WRITE_A_SCOPE}"),
        (
            "scopes as text",
            {"scopes": "'read:*'"},
            ".scopes: expected a list of names, got 'read:*'\n  -> write `scopes: [read:*]`",
        ),
        *[
            (f"the scope {scope}", {"scopes": f"['{scope}']"}, f".scopes: {FORMS} '{scope}'")
            for scope in ("read", "read:", "reed:*", "read:a:b", "admin:orders", "*", "*:*", "read:*@v1", "read:a@")
        ],
        ("a key of its own", {"sha": "x"}, ": unknown key 'sha'\n  -> did you mean sha256?"),
    ],
)
def test_one_clear_problem_of_a_key(project, mistake, instead, message):
    key = {"name": "web", "sha256": f"'{HASH}'", "scopes": "['read:*']", **instead}
    written = ", ".join(f"{name}: {value}" for name, value in key.items() if value is not None)
    assert refusal(project, f"keys: [{{{written}}}]") == f"featurestore.yml: server.keys[0]{message}", mistake


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://id.example.com", "http://id.example.com"),
        ("http://127.0.0.1.evil.com", "http://127.0.0.1.evil.com"),
        ("http://localhost@evil.com", "http://localhost@evil.com"),
        ("https://me:hunter2@id.example.com", "https://me:***@id.example.com"),
        ("id.example.com", "id.example.com"),
        ("https://", "https://"),
        ("https://a b", "https://a b"),
        ("https://a:99999", "https://a:99999"),
        ("https://[::1", "https://[::1"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://a.b#c", "https://a.b#c"),
    ],
)
def test_an_issuer_is_found_by_https_or_on_this_machine(project, url, shown):
    assert refusal(project, f"oidc: {{issuer: '{url}', audience: shop}}") == (
        f"featurestore.yml: server.oidc.issuer: expected an https:// URL without a user, got '{shown}'\n"
        "  -> http:// is taken for localhost and 127.0.0.1 only"
    )


@pytest.mark.parametrize("name", ["none", "None", "HS256", "HS384", "HS512", "ES256K", "rs256"])
def test_a_symmetric_algorithm_or_none_is_refused(project, name):
    refused = refusal(project, f"oidc: {{{OIDC}, algorithms: [ES256, {name}]}}")
    assert refused.startswith(f"featurestore.yml: server.oidc.algorithms: '{name}' is no asymmetric algorithm\n  -> ")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", "many", "1_000_000_001", ".inf", "[1]"])
def test_a_limit_that_counts_is_a_whole_number_from_one(project, value):
    refused = refusal(project, f"limits: {{entities: {value}}}")
    assert refused.startswith(
        "featurestore.yml: server.limits.entities: expected a whole number from 1 to 1,000,000,000, got "
    )


@pytest.mark.parametrize("value", ["0", "-1", "true", "0s", "5 parsecs", "2h", ".inf", ".nan", "[1]"])
def test_a_limit_of_time_is_seconds_up_to_an_hour(project, value):
    refused = refusal(project, f"limits: {{body_s: {value}}}")
    assert refused.startswith(
        'featurestore.yml: server.limits.body_s: expected seconds, such as 5 or "5s", at most an hour, got '
    )


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "a.b", "https://a.b/", "https://A.b", "https://a@b.c", "https://", "ftp://a.b", "https://a.b?c"],
)
def test_an_origin_is_what_a_browser_sends_and_never_all_of_them(project, origin):
    assert refusal(project, f"cors: ['{origin}']") == (
        f"featurestore.yml: server.cors: expected an origin, got '{origin}'\n"
        "  -> write each as a browser sends it, such as https://app.example.com"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"keys: {A_SECRET}",
        f"keys: [{A_SECRET}]",
        f"keys: {{web: {A_SECRET}}}",
        f"keys: [{{name: web, sha256: {A_SECRET}, scopes: ['read:*']}}]",
        f"keys: [{{name: web, sha256: [{A_SECRET}], scopes: ['read:*']}}]",
        f"keys: [{{name: web, key: {A_SECRET}, scopes: ['read:*']}}]",
        f"oidc: {{issuer: 'https://me:{A_SECRET}@id.example.com', audience: shop}}",
        f"cors: ['https://me:{A_SECRET}@app.example.com']",
    ],
)
def test_no_message_repeats_a_key_that_stands_in_the_wrong_place(project, text):
    assert A_SECRET not in refusal(project, text)


@pytest.mark.parametrize("block", ["server: [a]", "server: 7", "targets: {prod: {server: [a]}}"])
def test_a_server_that_is_no_mapping_is_refused_whatever_the_target(project, block):
    with pytest.raises(UsageError, match=r"server: expected a mapping of keys, got "):
        settings(project, block)


def test_the_keys_of_another_targets_server_are_looked_at_too(project):
    with pytest.raises(UsageError, match=r"targets\.prod\.server: unknown key 'kees'\n  -> did you mean keys\?"):
        settings(project, "server: {}\ntargets: {prod: {server: {kees: []}}}")


def test_all_problems_are_told_at_once(project):
    text = "keys: [{name: web}, a], oidc: {issuer: 7}, limits: {entities: 0, body_s: 0}, cors: [a]"
    assert len([line for line in refusal(project, text).splitlines() if line.startswith("featurestore.yml")]) == 8
