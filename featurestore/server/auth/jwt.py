"""Tokens of an OIDC issuer: from a signed text to a grant, or a refusal.

Nothing a token says chooses how it is checked: its ``alg`` must be one of ours, its ``kid`` one of the issuer's keys
made for that algorithm; URLs and keys in it (``jku``, ``x5u``, ``jwk``) are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt

from featurestore.definitions.scopes import parse_scope
from featurestore.server.auth.jwks import IssuerKeys
from featurestore.server.auth.refused import unknown_caller
from featurestore.server.auth.scopes import Grant
from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from featurestore.definitions.server import Oidc
    from featurestore.server.auth.jwks import PublicKey

LEEWAY_S = 30
_NAME_CHARACTERS = 128
_NAMES = ("sub", "client_id", "azp")
_UNREADABLE = "this is no token that can be read"
_SAID = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is meant for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (jwt.InvalidSignatureError, "the token's signature is wrong"),
    (jwt.MissingRequiredClaimError, "the token lacks one of exp, iss, aud"),
)


class Tokens:
    """Tokens of one issuer.

    Args:
        oidc: the issuer.
        keys: its keys; by default they are fetched where `oidc` says.
    """

    def __init__(self, oidc: Oidc, keys: IssuerKeys | None = None) -> None:
        self._oidc = oidc
        self._keys = IssuerKeys(oidc) if keys is None else keys

    async def read(self, token: str) -> tuple[Grant, float]:
        """Check a token.

        Args:
            token: three parts of base64url with dots between.

        Returns:
            What it allows, and when it expires, in seconds since 1970.

        Raises:
            RefusedError: 401, with the reason; 503 while the issuer's keys cannot be fetched.
        """
        kid, algorithm = self._head(token)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            if not self._keys.is_reached:
                away = "the keys of the tokens' issuer cannot be fetched just now"
                raise RefusedError(503, away, hint="ask again", headers=((b"retry-after", b"10"),))
            raise unknown_caller("the token is signed with no key of the issuer")
        return self._checked(token, key, algorithm)

    def _head(self, token: str) -> tuple[str, str]:
        try:
            head = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise unknown_caller(_UNREADABLE) from None
        kid, algorithm = head.get("kid"), head.get("alg")
        if algorithm not in self._oidc.algorithms:
            raise unknown_caller(f"the token must be signed with {' or '.join(self._oidc.algorithms)}")
        if not isinstance(kid, str) or not kid:
            raise unknown_caller("the token does not say which key signed it (kid)")
        if "crit" in head:
            raise unknown_caller("the token asks for an extension (crit) that is not known here")
        return kid, algorithm

    def _checked(self, token: str, key: PublicKey, algorithm: str) -> tuple[Grant, float]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._oidc.audience,
                issuer=self._oidc.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
            expires = float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            said = next((text for kind, text in _SAID if isinstance(error, kind)), _UNREADABLE)
            raise unknown_caller(said) from None
        name = next((claims[each] for each in _NAMES if isinstance(claims.get(each), str)), "token")
        scopes = scopes_of(claims.get(self._oidc.scopes_claim))
        return Grant(name=name[:_NAME_CHARACTERS], scopes=scopes), expires


def scopes_of(claim: object) -> frozenset[str]:
    """Read the scopes of ours out of a claim, words with spaces between or a list; what else it holds says nothing."""
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    found = set()
    for word in words:
        try:
            found.add(parse_scope(word))
        except (ValueError, TypeError):
            continue
    return frozenset(found)
