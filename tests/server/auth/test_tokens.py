"""Tokens of an issuer: what is believed, and every attack that is not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featurestore.definitions.server import ApiKey, Oidc, ServerSettings
from featurestore.server.auth.guard import TOKEN_KEPT_S, Guard
from featurestore.server.auth.jwks import read_keys
from featurestore.server.problems import RefusedError
from tests.server.auth.issuer import (
    AUDIENCE,
    EC_384_KEY,
    EC_KEY,
    ED_KEY,
    HOUR,
    OTHER_RSA_KEY,
    RSA_KEY,
    SMALL_RSA_KEY,
    b64,
    header,
    jwk,
    pem,
    running_issuer,
)

UNREADABLE = "this is no token that can be read"
SIGNED_BY_NONE = "the token is signed with no key of the issuer"
WRONG_SIGNATURE = "the token's signature is wrong"
WRONG_ALGORITHM = "the token must be signed with RS256 or ES256"


def ask(issuer, token, *, oidc=None):
    return asyncio.run(Guard(ServerSettings(oidc=oidc or issuer.oidc)).ask(header(token)))


def refusal(issuer, token):
    with pytest.raises(RefusedError) as caught:
        ask(issuer, token)
    assert caught.value.status == 401
    assert token not in str(caught.value)
    return caught.value.message


def signed_by_hand(issuer, head, *, secret=None, **claims):
    """A token as an attacker makes it, with HMAC where there is a secret."""
    signed = f"{b64(head)}.{b64(issuer.claims(**claims))}"
    made = b"" if secret is None else hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{b64(made)}"


def test_a_good_token_is_let_in_with_its_subject_and_scopes(issuer):
    grant = ask(issuer, issuer.token(sub="loader", scope="openid write:orders@2 read:*"))
    assert (grant.name, grant.scopes) == ("loader", {"write:orders@v2", "read:*"})
    assert ask(issuer, issuer.token(key=EC_KEY, algorithm="ES256", kid="two")).scopes == {"read:*"}
    assert ask(issuer, issuer.token(aud=["other", AUDIENCE])).scopes == {"read:*"}


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": None, "client_id": "app"}, "app"),
        ({"sub": None, "azp": "app"}, "app"),
        ({"sub": None}, "token"),
        ({"sub": "a" * 10_000}, None),
        ({"sub": "a" * 200}, "a" * 128),
    ],
)
def test_a_token_without_a_subject_has_another_name_and_a_long_one_is_cut(issuer, claims, name):
    token = issuer.token(**claims)
    if name is None:
        assert refusal(issuer, token) == "the header Authorization cannot be read"
    else:
        assert ask(issuer, token).name == name


def test_scopes_may_be_in_another_claim_and_a_token_without_any_may_do_nothing(issuer):
    by_roles = Oidc(issuer=issuer.url, audience=AUDIENCE, jwks_url=f"{issuer.url}/keys", scopes_claim="roles")
    assert ask(issuer, issuer.token(roles=["read:orders"]), oidc=by_roles).scopes == {"read:orders"}
    assert ask(issuer, issuer.token(), oidc=by_roles).scopes == frozenset()


def test_every_algorithm_that_can_be_configured_works(issuer):
    issuer.publish(jwk(RSA_KEY, "r"), jwk(EC_KEY, "e"), jwk(EC_384_KEY, "e3"), jwk(ED_KEY, "d"))
    for algorithm, key, kid in (
        ("RS512", RSA_KEY, "r"),
        ("PS256", RSA_KEY, "r"),
        ("ES256", EC_KEY, "e"),
        ("ES384", EC_384_KEY, "e3"),
        ("EdDSA", ED_KEY, "d"),
    ):
        oidc = Oidc(issuer=issuer.url, audience=AUDIENCE, jwks_url=f"{issuer.url}/keys", algorithms=(algorithm,))
        token = issuer.token(key=key, algorithm=algorithm, kid=kid)
        assert ask(issuer, token, oidc=oidc).name == "someone", algorithm
        assert refusal(issuer, token) == WRONG_ALGORITHM if algorithm != "ES256" else ask(issuer, token)


ATTACKS = {
    "alg none": (lambda it: signed_by_hand(it, {"alg": "none", "kid": "one"}), WRONG_ALGORITHM),
    "alg None": (lambda it: signed_by_hand(it, {"alg": "None", "kid": "one"}), WRONG_ALGORITHM),
    "no alg": (lambda it: signed_by_hand(it, {"kid": "one"}), WRONG_ALGORITHM),
    "alg is a list": (lambda it: signed_by_hand(it, {"alg": ["RS256"], "kid": "one"}), WRONG_ALGORITHM),
    "alg is null": (lambda it: signed_by_hand(it, {"alg": None, "kid": "one"}), WRONG_ALGORITHM),
    "HS256 with the public key as the secret": (
        lambda it: signed_by_hand(it, {"alg": "HS256", "kid": "one"}, secret=pem(RSA_KEY)),
        WRONG_ALGORITHM,
    ),
    "RS256 in the head, HMAC as the signature": (
        lambda it: signed_by_hand(it, {"alg": "RS256", "kid": "one"}, secret=pem(RSA_KEY)),
        WRONG_SIGNATURE,
    ),
    "RS256 with no signature": (lambda it: signed_by_hand(it, {"alg": "RS256", "kid": "one"}), WRONG_SIGNATURE),
    "ES256 with a signature of zeros": (
        lambda it: signed_by_hand(it, {"alg": "ES256", "kid": "two"}) + b64(bytes(64)),
        WRONG_SIGNATURE,
    ),
    "PS256, which is not pinned": (lambda it: it.token(algorithm="PS256"), WRONG_ALGORITHM),
    "another issuer": (lambda it: it.token(iss="https://evil.example.com"), "the token is from another issuer"),
    "the issuer with a slash": (lambda it: it.token(iss=f"{it.url}/"), "the token is from another issuer"),
    "the issuer in a list": (lambda it: _by_hand(it, iss=[it.url]), None),
    "no issuer": (lambda it: it.token(iss=None), "the token lacks one of exp, iss, aud"),
    "another audience": (lambda it: it.token(aud="bank"), "the token is meant for another audience"),
    "a list of other audiences": (
        lambda it: it.token(aud=["bank", "shopp"]),
        "the token is meant for another audience",
    ),
    "an audience that holds ours": (lambda it: it.token(aud="shop2"), "the token is meant for another audience"),
    "no audience": (lambda it: it.token(aud=None), "the token lacks one of exp, iss, aud"),
    "an audience of numbers": (lambda it: _by_hand(it, aud=[1]), None),
    "expired": (lambda it: it.token(exp=int(time.time()) - HOUR), "the token has expired"),
    "no expiry": (lambda it: it.token(exp=None), "the token lacks one of exp, iss, aud"),
    "an expiry that is a word": (lambda it: _by_hand(it, exp="never"), UNREADABLE),
    "an expiry that is a list": (lambda it: _by_hand(it, exp=[9e9]), UNREADABLE),
    "an expiry that is infinite": (lambda it: _by_hand(it, exp=float("inf")), UNREADABLE),
    "an expiry that is no number": (lambda it: _by_hand(it, exp=float("nan")), UNREADABLE),
    "an expiry beyond all numbers": (lambda it: _by_hand(it, exp=10**400), UNREADABLE),
    "not valid yet": (lambda it: it.token(nbf=int(time.time()) + HOUR), "the token is not valid yet"),
    "made tomorrow": (lambda it: it.token(iat=int(time.time()) + 24 * HOUR), "the token is not valid yet"),
    "an unknown kid": (lambda it: it.token(kid="three"), SIGNED_BY_NONE),
    "the kid of a key of another kind": (lambda it: it.token(kid="two"), SIGNED_BY_NONE),
    "no kid": (lambda it: it.token(kid=None), "the token does not say which key signed it (kid)"),
    "a kid that is empty": (lambda it: it.token(kid=""), "the token does not say which key signed it (kid)"),
    "a kid that is a path": (lambda it: it.token(kid="../../../dev/null"), SIGNED_BY_NONE),
    "a kid that is SQL": (lambda it: it.token(kid="' union select 'x' --"), SIGNED_BY_NONE),
    "a kid that is a list": (lambda it: signed_by_hand(it, {"alg": "RS256", "kid": ["one"]}), None),
    "another key of the same kid": (lambda it: it.token(key=OTHER_RSA_KEY), WRONG_SIGNATURE),
    "an extension": (lambda it: it.token(head={"crit": ["b64"], "b64": True}), None),
    "an extension without a name": (lambda it: it.token(head={"crit": []}), None),
    "claims that are a list": (lambda it: _signed(it, b"[1, 2]"), UNREADABLE),
    "claims that are not JSON": (lambda it: _signed(it, b"exp: never"), UNREADABLE),
    "claims nested too deeply": (lambda it: _signed(it, b"[" * 3_000), UNREADABLE),
    "claims that are not UTF-8": (lambda it: _signed(it, b'{"iss": "\xff"}'), UNREADABLE),
    "a head that is a list": (lambda it: f"{b64([1])}.{b64({})}.{b64(b'x')}", UNREADABLE),
    "a head that is not JSON": (lambda it: f"{b64(b'{')}.{b64({})}.{b64(b'x')}", UNREADABLE),
    "a head that is not UTF-8": (lambda it: f"{b64(bytes([255, 254]))}.{b64({})}.{b64(b'x')}", UNREADABLE),
    "a head nested too deeply": (lambda it: f"{b64(b'[' * 5_000)}.{b64({})}.{b64(b'x')}", UNREADABLE),
    "a head of a number of many digits": (lambda it: f"{b64(b'1' * 5_000)}.{b64({})}.{b64(b'x')}", UNREADABLE),
    "nothing between the dots": (lambda it: "a..b", UNREADABLE),
    "base64 of a wrong length": (lambda it: "aaaaa.bbbbb.ccccc", UNREADABLE),
    "four parts": (lambda it: f"{it.token()}.more", "this key is not known here"),
    "two parts": (lambda it: it.token().rpartition(".")[0], "this key is not known here"),
}


def _signed(it, claims):
    """A token whose signature is good, whatever its claims are."""
    return jwt.api_jws.PyJWS().encode(claims, RSA_KEY, algorithm="RS256", headers={"kid": "one"})


def _by_hand(it, **instead):
    """A token whose signature is good, and claims that a library would not write."""
    return _signed(it, json.dumps(it.claims(**instead)).encode())


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused(issuer, attack):
    make, message = ATTACKS[attack]
    refused = refusal(issuer, make(issuer))
    assert message is None or refused == message


def test_claims_that_were_changed_after_signing_are_refused(issuer):
    head, _, signature = issuer.token(scope="read:orders").split(".")
    richer = b64(issuer.claims(scope="admin:*"))
    assert refusal(issuer, f"{head}.{richer}.{signature}") == WRONG_SIGNATURE


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_token_cannot_say_where_its_key_is(issuer, name):
    with running_issuer() as evil:
        evil.publish(jwk(OTHER_RSA_KEY, "one"), jwk(OTHER_RSA_KEY, "evil"))
        value = {"jwk": jwk(OTHER_RSA_KEY, "evil"), "x5c": ["MIIB"]}.get(name, f"{evil.url}/keys")
        for kid, message in (("one", WRONG_SIGNATURE), ("evil", SIGNED_BY_NONE)):
            assert refusal(issuer, issuer.token(key=OTHER_RSA_KEY, kid=kid, head={name: value})) == message
        assert evil.asked == []
        assert ask(issuer, issuer.token(head={name: value})).name == "someone"


def test_a_key_that_is_too_small_verifies_nothing(issuer):
    issuer.publish(jwk(SMALL_RSA_KEY, "small"))
    token = signed_by_small_key(issuer)
    assert refusal(issuer, token) == SIGNED_BY_NONE


def signed_by_small_key(issuer):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signed = f"{b64({'alg': 'RS256', 'kid': 'small'})}.{b64(issuer.claims())}"
    return f"{signed}.{b64(SMALL_RSA_KEY.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (jwk(RSA_KEY, "k"), {("k", "RS256"), ("k", "RS384")}),
        (jwk(RSA_KEY, "k", alg="RS384", use="sig", key_ops=["verify"]), {("k", "RS384")}),
        (jwk(EC_KEY, "k"), {("k", "ES256")}),
        (jwk(EC_KEY, "k", alg="RS256"), set()),
        (jwk(EC_384_KEY, "k"), set()),
        (jwk(RSA_KEY, "k", use="enc"), set()),
        (jwk(RSA_KEY, "k", key_ops=["encrypt"]), set()),
        (jwk(RSA_KEY, "k", key_ops="verify"), set()),
        (jwk(SMALL_RSA_KEY, "k"), set()),
        (jwk(RSA_KEY, 7), set()),
        ({**jwk(RSA_KEY, "k"), "n": "!"}, set()),
        ({**jwk(RSA_KEY, "k"), "n": 7}, set()),
        ({**jwk(RSA_KEY, "k"), "e": "AA"}, set()),
        ({**jwk(EC_KEY, "k"), "x": b64(bytes(32))}, set()),
        ({**jwk(EC_KEY, "k"), "crv": ["P-256"]}, set()),
        ({"kty": "oct", "k": b64(b"secret"), "kid": "k", "alg": "HS256"}, set()),
        ({"kty": "RSA", "kid": "k"}, set()),
        ({"kid": "k"}, set()),
        ("k", set()),
    ],
)
def test_of_the_issuers_keys_those_count_that_can_verify(key, found):
    good = jwk(OTHER_RSA_KEY, "good", alg="RS256")
    keys = read_keys({"keys": [key, good]}, ("RS256", "RS384", "ES256"))
    assert set(keys) == {*found, ("good", "RS256")}


def test_a_private_key_that_an_issuer_publishes_by_mistake_only_verifies():
    private = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY)), "kid": "k", "key_ops": ["verify"]}
    (read,) = read_keys({"keys": [private]}, ("RS256",)).values()
    assert read.public_numbers() == RSA_KEY.public_key().public_numbers()


def test_a_token_is_good_for_half_a_minute_after_it_expired_but_is_not_remembered(issuer):
    guard = Guard(ServerSettings(oidc=issuer.oidc))
    just_expired = header(issuer.token(exp=int(time.time()) - 2))
    assert asyncio.run(guard.ask(just_expired)).name == "someone"
    assert guard.known(just_expired) is None


def test_a_token_is_remembered_until_it_expires_and_at_most_five_minutes(issuer):
    now = [time.time()]
    guard = Guard(ServerSettings(oidc=issuer.oidc), clock=lambda: now[0])
    short, long = (header(issuer.token(exp=int(now[0]) + seconds)) for seconds in (200, 24 * HOUR))

    async def ask_both():
        return await guard.ask(short), await guard.ask(long)

    grants = asyncio.run(ask_both())
    assert (guard.known(short), guard.known(long)) == grants
    now[0] += 201
    assert (guard.known(short), guard.known(long)) == (None, grants[1])
    now[0] += TOKEN_KEPT_S
    assert guard.known(long) is None


def test_keys_and_tokens_go_together(issuer):
    key = ApiKey(name="web", sha256=hashlib.sha256(b"fsk.with.dots").hexdigest(), scopes=("read:orders",))
    guard = Guard(ServerSettings(keys=(key,), oidc=issuer.oidc))

    async def ask_both():
        return await guard.ask(header("fsk.with.dots")), await guard.ask(header(issuer.token()))

    assert [grant.name for grant in asyncio.run(ask_both())] == ["web", "someone"]
    assert all(guard.has_scope(action) for action in ("read", "write", "admin"))


TEXT = st.text(alphabet="abcXYZ019-_.=+/~", max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
HEADS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "zip"]), JSON | st.sampled_from(["RS256", "one"])
)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "scope", "jti"]), JSON)


@pytest.fixture(scope="module")
def lasting_issuer():
    with running_issuer() as running:
        yield running


@given(st.tuples(TEXT, TEXT, TEXT).map(".".join) | st.tuples(HEADS.map(b64), CLAIMS.map(b64), TEXT).map(".".join))
@example("eyJhbGciOiJSUzI1NiJ9..")
def test_garbage_of_all_sorts_is_refused(lasting_issuer, garbage):
    assert refusal(lasting_issuer, garbage or "x")


@given(CLAIMS)
def test_claims_of_all_sorts_that_the_issuer_itself_signed_are_refused_or_read(lasting_issuer, claims):
    token = _signed(lasting_issuer, json.dumps(lasting_issuer.claims(**claims)).encode())
    try:
        grant = ask(lasting_issuer, token)
    except RefusedError:
        return
    assert grant.scopes <= {"read:*"}
