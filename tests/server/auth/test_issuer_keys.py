"""The issuer's keys: fetched once, kept while it is away, taken up when it changes them, never asked for too often."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import pytest

from featurestore.definitions.server import Oidc, ServerSettings
from featurestore.server.auth import jwks
from featurestore.server.auth.guard import Guard
from featurestore.server.auth.jwks import AGAIN_AFTER_FAILURE_S, AGAIN_S, KEPT_S, IssuerKeys
from featurestore.server.auth.jwt import Tokens
from featurestore.server.problems import RefusedError
from tests.server.auth.issuer import AUDIENCE, EC_KEY, OTHER_RSA_KEY, RSA_KEY, header, jwk

AWAY = "the keys of the tokens' issuer cannot be fetched just now"
UNKNOWN = "the token is signed with no key of the issuer"


class Asking:
    """A guard of one issuer whose clock stands still until it is told to go on."""

    def __init__(self, oidc):
        self.now = 0.0
        self.guard = Guard(ServerSettings(oidc=oidc), tokens=Tokens(oidc, IssuerKeys(oidc, clock=lambda: self.now)))

    async def says(self, token):
        """The subject's name, or why the token was refused."""
        try:
            return (await self.guard.ask(header(token))).name
        except RefusedError as refused:
            return refused.message


def ran(oidc, story):
    return asyncio.run(story(Asking(oidc)))


async def until(condition):
    ends = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


def test_the_keys_are_fetched_once_for_many_tokens_that_come_at_once(issuer):
    async def story(asking):
        return await asyncio.gather(*[asking.says(issuer.token(sub=f"user-{number}")) for number in range(50)])

    assert ran(issuer.oidc, story) == [f"user-{number}" for number in range(50)]
    assert issuer.asked == ["/keys"]


def test_a_new_key_is_taken_up_after_a_minute_and_unknown_ones_do_not_have_the_issuer_asked_more_often(issuer):
    async def story(asking):
        assert await asking.says(issuer.token()) == "someone"
        issuer.publish(jwk(OTHER_RSA_KEY, "new"))
        new = issuer.token(key=OTHER_RSA_KEY, kid="new")
        for number in range(50):
            assert await asking.says(issuer.token(kid=f"random-{number}")) == UNKNOWN
        asking.now += AGAIN_S - 1
        assert await asking.says(new) == UNKNOWN
        assert len(issuer.asked) == 1
        asking.now += 1
        assert await asking.says(new) == "someone"
        assert await asking.says(issuer.token(sub="by the old key")) == UNKNOWN
        assert len(issuer.asked) == 2

    ran(issuer.oidc, story)


def test_after_an_hour_the_keys_are_fetched_again_behind_the_requests_back(issuer):
    async def story(asking):
        await asking.says(issuer.token())
        issuer.publish(jwk(OTHER_RSA_KEY, "new"))
        asking.now += KEPT_S
        assert await asking.says(issuer.token(sub="old")) == "old"
        await until(asking.guard._tokens._keys._fetch.done)
        assert len(issuer.asked) == 2
        assert await asking.says(issuer.token(key=OTHER_RSA_KEY, kid="new")) == "someone"
        assert await asking.says(issuer.token(sub="withdrawn")) == UNKNOWN

    ran(issuer.oidc, story)


def test_an_issuer_that_is_away_fails_only_tokens_of_keys_that_are_not_here(issuer):
    async def story(asking):
        assert await asking.says(issuer.token()) == "someone"
        issuer.answers["/keys"] = 503, "gone"
        asking.now += KEPT_S
        for number in range(5):
            assert await asking.says(issuer.token(sub=f"user-{number}")) == f"user-{number}"
        await until(asking.guard._tokens._keys._fetch.done)
        assert await asking.says(issuer.token(key=EC_KEY, algorithm="ES256", kid="new")) == AWAY
        assert len(issuer.asked) == 2
        issuer.publish(jwk(EC_KEY, "new"))
        asking.now += AGAIN_AFTER_FAILURE_S
        assert await asking.says(issuer.token(key=EC_KEY, algorithm="ES256", kid="new")) == "someone"

    ran(issuer.oidc, story)


def test_an_issuer_that_was_never_there_is_asked_again_soon(issuer):
    async def story(asking):
        issuer.answers["/keys"] = 500, ""
        assert await asking.says(issuer.token()) == AWAY
        issuer.publish(jwk(RSA_KEY, "one"))
        assert await asking.says(issuer.token()) == AWAY
        asking.now += AGAIN_AFTER_FAILURE_S
        assert await asking.says(issuer.token()) == "someone"

    ran(issuer.oidc, story)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "no JSON"),
        (200, "[]"),
        (200, "{}"),
        (200, '{"keys": {}}'),
        (200, "[" * 100_000),
        (200, b"\xff\xfe"),
        (200, " " * (jwks.MOST_BYTES + 1)),
        (404, '{"keys": []}'),
        (204, ""),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_list_of_keys_is_as_good_as_no_issuer(issuer, caplog, status, body):
    issuer.answers["/keys"] = status, body

    async def story(asking):
        return await asking.says(issuer.token())

    assert ran(issuer.oidc, story) == AWAY
    assert f"the keys of the issuer {issuer.url} cannot be fetched: " in caplog.text


def test_a_list_without_keys_is_taken_for_what_it_says(issuer):
    issuer.publish()

    async def story(asking):
        return await asking.says(issuer.token())

    assert ran(issuer.oidc, story) == UNKNOWN


def test_nobody_is_redirected_to_other_keys(issuer):
    issuer.publish(jwk(OTHER_RSA_KEY, "one"))
    issuer.answers["/moved"] = 302, f"{issuer.url}/keys"

    async def story(asking):
        return await asking.says(issuer.token(key=OTHER_RSA_KEY))

    moved = Oidc(issuer=issuer.url, audience=AUDIENCE, jwks_url=f"{issuer.url}/moved")
    assert ran(moved, story) == AWAY
    assert issuer.asked == ["/moved"]


def test_an_issuer_that_says_nothing_is_waited_for_a_while_only(issuer, monkeypatch):
    monkeypatch.setattr(jwks, "FETCH_LIMIT_S", 0.2)
    issuer.answers["/keys"] = 200, None

    async def story(asking):
        return await asyncio.gather(*[asking.says(issuer.token(sub=f"user-{number}")) for number in range(3)])

    assert ran(issuer.oidc, story) == [AWAY] * 3
    assert len(issuer.asked) <= 1, "none if the machine was too slow to ask in time"


def test_nobody_listens_where_the_issuer_should_be(issuer):
    nowhere = Oidc(issuer=issuer.url, audience=AUDIENCE, jwks_url="http://127.0.0.1:1/keys")

    async def story(asking):
        return await asking.says(issuer.token())

    assert ran(nowhere, story) == AWAY


def test_while_the_issuer_is_away_a_token_may_be_sent_again(issuer):
    """It may be a good one: 503, which a client tries again, and no 401."""
    nowhere = Oidc(issuer=issuer.url, audience=AUDIENCE, jwks_url="http://127.0.0.1:1/keys")

    async def story(asking):
        with pytest.raises(RefusedError) as refused:
            await asking.guard.ask(header(issuer.token()))
        return refused.value

    refused = ran(nowhere, story)
    assert (refused.status, refused.headers) == (503, ((b"retry-after", b"10"),))


def test_who_gives_up_waiting_does_not_stop_the_fetch_for_others(issuer):
    async def story(asking):
        first = asyncio.create_task(asking.says(issuer.token()))
        second = asyncio.create_task(asking.says(issuer.token(sub="patient")))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "patient"
        assert first.cancelled()

    ran(issuer.oidc, story)


def discovering(issuer):
    return Oidc(issuer=issuer.url, audience=AUDIENCE)


def test_without_a_url_of_keys_the_issuers_discovery_document_names_it(issuer):
    document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
    issuer.answers["/.well-known/openid-configuration"] = 200, json.dumps(document)

    async def story(asking):
        return await asking.says(issuer.token())

    assert ran(discovering(issuer), story) == "someone"
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example.com"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": ["https://a.b"]},
    ],
)
def test_a_discovery_document_of_another_issuer_or_place_is_not_followed(issuer, wrong, caplog):
    document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **wrong}
    issuer.answers["/.well-known/openid-configuration"] = 200, json.dumps(document)

    async def story(asking):
        return await asking.says(issuer.token())

    assert ran(discovering(issuer), story) == AWAY
    assert issuer.asked == ["/.well-known/openid-configuration"]
    assert f"its discovery document {'is another' if 'issuer' in wrong else 'names no https://'}" in caplog.text


def test_no_token_is_in_the_log(issuer, caplog):
    caplog.set_level(logging.DEBUG)
    tokens = [issuer.token(), issuer.token(kid="unknown"), issuer.token(key=OTHER_RSA_KEY)]

    async def story(asking):
        return [await asking.says(token) for token in tokens]

    assert len(ran(issuer.oidc, story)) == 3
    assert not [token for token in tokens if token in caplog.text or token.split(".")[1] in caplog.text]
