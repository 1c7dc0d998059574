"""The public keys of an issuer: fetched when a token needs one, kept, and fetched again now and then.

Shape: ``kid, algorithm -> key``. The rules: an unknown key has them fetched again, at most once a minute; keys older
than an hour are fetched again behind the request's back; while the issuer is away the keys that are there go on
serving. Only `Oidc` says where they are, never a token.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from featurestore.definitions.tokens import is_trusted_url
from featurestore.errors import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.server import Oidc

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
KeysById: TypeAlias = dict[tuple[str, str], PublicKey]

FETCH_LIMIT_S = 5.0
AGAIN_S = 60.0
AGAIN_AFTER_FAILURE_S = 10.0
KEPT_S = 3_600.0
LEAST_RSA_BITS = 2_048
MOST_BYTES = 1 << 20
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_OF_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
_log = logging.getLogger("featurestore.server")


class IssuerKeys:
    """The keys of one issuer, for one event loop.

    Args:
        oidc: the issuer.
        clock: seconds that only grow.
    """

    def __init__(self, oidc: Oidc, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_reached = False
        """Whether the last fetch succeeded."""
        self._oidc = oidc
        self._clock = clock
        self._keys: KeysById = {}
        self._next_fetch = self._stale = float("-inf")
        self._fetch: asyncio.Task[None] | None = None
        self._tls: ssl.SSLContext | None = None

    async def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """Return a key.

        Args:
            kid: the key's name, as a token gives it.
            algorithm: one of the issuer's.

        Returns:
            None if the issuer has no such key for this algorithm, or cannot be reached to ask.
        """
        key = self._keys.get((kid, algorithm))
        if key is not None:
            if self._clock() >= self._stale:
                self._start_fetch()
            return key
        fetch = self._start_fetch()
        if fetch is not None:
            await asyncio.shield(fetch)
        return self._keys.get((kid, algorithm))

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """Start a fetch, or join the one that runs; None if the last one is too recent."""
        if self._fetch is not None and not self._fetch.done():
            return self._fetch
        if self._clock() < self._next_fetch:
            return None
        self._fetch = asyncio.get_running_loop().create_task(self._refresh())
        return self._fetch

    async def _refresh(self) -> None:
        try:
            self._keys = await asyncio.wait_for(self._fetched(), FETCH_LIMIT_S)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, asyncio.TimeoutError) as error:
            self.is_reached = False
            self._next_fetch = self._clock() + AGAIN_AFTER_FAILURE_S
            _log.warning("the keys of the issuer %s cannot be fetched: %s", self._oidc.issuer, _reason(error))
        else:
            self.is_reached = True
            self._next_fetch = self._clock() + AGAIN_S
            self._stale = self._clock() + KEPT_S

    async def _fetched(self) -> KeysById:
        if self._tls is None:  # reads the system's certificates: a few hundred milliseconds on a busy machine
            self._tls = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(verify=self._tls, timeout=FETCH_LIMIT_S, follow_redirects=False) as client:
            url = self._oidc.jwks_url or await self._discovered(client)
            return read_keys(await _read_json(client, url), self._oidc.algorithms)

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        """Where the issuer's discovery document says that the keys are."""
        place = f"{self._oidc.issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await _read_json(client, place)
        if document.get("issuer") != self._oidc.issuer:
            raise ValueError("its discovery document is another issuer's")
        url = document.get("jwks_uri")
        if not (isinstance(url, str) and is_trusted_url(url)):
            raise ValueError("its discovery document names no https:// URL of keys")
        return url


def read_keys(document: dict[str, Any], algorithms: Sequence[str]) -> KeysById:
    """Read a JWKS.

    Args:
        document: as JSON gave it.
        algorithms: that tokens may be signed with.

    Returns:
        By name and algorithm, each key that can verify: RSA of 2048 bits or more, P-256, P-384, P-521, Ed25519. Others
        are passed over, as is what a key says it is not for.

    Raises:
        ValueError: no list of keys.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("no JWKS: it has no list of keys")
    found: KeysById = {}
    for jwk in listed:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or not _is_for_signatures(jwk):
            continue
        key, possible = _read_key(jwk)
        if key is not None:
            found.update({(kid, each): key for each in possible if each in algorithms and jwk.get("alg", each) == each})
    return found


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    operations = jwk.get("key_ops")
    return jwk.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _read_key(jwk: dict[str, Any]) -> tuple[PublicKey | None, Sequence[str]]:
    """The public half of a key, and what it can verify; None for what we do not take."""
    public = {name: jwk[name] for name in _PUBLIC_MEMBERS if name in jwk}
    try:
        if jwk.get("kty") == "RSA":
            rsa = RSAAlgorithm.from_jwk(public)
            is_long = isinstance(rsa, RSAPublicKey) and rsa.key_size >= LEAST_RSA_BITS
            return (rsa, _RSA) if isinstance(rsa, RSAPublicKey) and is_long else (None, ())
        if jwk.get("kty") == "EC":
            curve = ECAlgorithm.from_jwk(public)
            return (
                (curve, _OF_CURVE.get(str(jwk.get("crv")), ()))
                if isinstance(curve, EllipticCurvePublicKey)
                else (None, ())
            )
        if jwk.get("kty") == "OKP":
            edwards = OKPAlgorithm.from_jwk(public)
            return (edwards, ("EdDSA",)) if isinstance(edwards, Ed25519PublicKey) else (None, ())
    except (PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
        _log.warning("a key of the issuer cannot be read")
    return None, ()


async def _read_json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Read a JSON object; raises ValueError for anything else, or a MiB of it."""
    body = bytearray()
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"{url} answered {answer.status_code}")
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError(f"{url} answered more than {MOST_BYTES:,} bytes")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError(f"{url} answered no JSON") from None
    if not isinstance(document, dict):
        raise ValueError(f"{url} answered no JSON object")
    return document


def _reason(error: BaseException) -> str:
    return without_secrets(str(error)) or type(error).__name__
