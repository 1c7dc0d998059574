"""What a feature server is told beside its definitions: who may ask, and how much at once.

Shape: `ServerSettings`, read from ``server:`` in `featurestore.yml`, handed to each worker as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that a client sends as ``Authorization: Bearer KEY``.

    Attributes:
        name: for logs and metrics; the key itself is nowhere.
        sha256: of the key, 64 lower-case hexadecimal digits.
        scopes: what it allows: ``read:VIEW``, ``read:VIEW@v2``, ``read:*``, ``write:VIEW``, ``write:*``, ``admin:*``.
    """

    name: str
    sha256: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """Whose tokens (JWT) are believed.

    Attributes:
        issuer: what ``iss`` must be; without `jwks_url`, its discovery document says where the keys are.
        audience: what ``aud`` must hold.
        jwks_url: where the issuer's public keys are.
        algorithms: of signatures; nothing else is accepted, whatever a token says.
        scopes_claim: the claim that holds scopes, a list or words with spaces between.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    scopes_claim: str = "scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one request and all of them may ask for.

    Attributes:
        body_bytes: of one request; more is answered 413.
        entities, features: of one lookup; more is answered 400.
        store_calls: lookups that ask the store at the same time, in each worker.
        waiting: lookups that wait for their turn, in each worker; beyond them the answer is 429 with Retry-After.
        header_s, body_s: seconds within which a request's head and body must have come.
    """

    body_bytes: int = 1 << 20
    entities: int = 1_000
    features: int = 500
    store_calls: int = 64
    waiting: int = 1_024
    header_s: float = 5.0
    body_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The ``server:`` block.

    Attributes:
        keys, oidc: who may ask; anybody who reaches the server if there are none.
        limits: of requests.
        cors: origins whose pages may ask, such as ``https://app.example.com``; none by default.
    """

    keys: tuple[ApiKey, ...] = ()
    oidc: Oidc | None = None
    limits: Limits = field(default_factory=Limits)
    cors: tuple[str, ...] = ()

    @property
    def asks_who(self) -> bool:
        """Whether a request has to say who it is."""
        return bool(self.keys) or self.oidc is not None
