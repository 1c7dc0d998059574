"""Tokens: which algorithms may sign one, and which URLs may say with which keys.

Only asymmetric algorithms: with ``HS256`` the issuer's public key would be a secret that everybody knows.
"""

from __future__ import annotations

from urllib.parse import urlsplit

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))


def is_trusted_url(url: str) -> bool:
    """Whether keys may be fetched there: ``https://``, or ``http://`` on this machine; no user, no fragment."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not (parts.hostname and port_is_one and url.isascii() and url.isprintable()) or " " in url:
        return False
    if "@" in parts.netloc or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
