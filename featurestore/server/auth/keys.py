"""API keys: from a key that a client sends to its grant.

The rule: a key is compared, as its SHA-256, with every key there is, each in constant time, so that the time of an
answer says nothing about any of them.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from featurestore.definitions.scopes import parse_scope
from featurestore.errors import UsageError
from featurestore.server.auth.scopes import Grant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.server import ApiKey


class Keys:
    """The keys of a server.

    Args:
        keys: as `featurestore.yml` names them.

    Raises:
        UsageError: two of them have one hash.
    """

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        names: dict[bytes, str] = {}
        grants: list[tuple[bytes, Grant]] = []
        for key in keys:
            digest = bytes.fromhex(key.sha256)
            if digest in names:
                hint = "make one of them anew: `featurestore server-key`"
                raise UsageError(f"the keys '{names[digest]}' and '{key.name}' are the same key", hint=hint)
            names[digest] = key.name
            grants.append((digest, Grant(name=key.name, scopes=frozenset(map(parse_scope, key.scopes)))))
        self._grants = tuple(grants)

    def find(self, token: bytes) -> Grant | None:
        """Return what this key allows; None if it is none of ours."""
        digest = hashlib.sha256(token).digest()
        found: Grant | None = None
        for known, grant in self._grants:
            if hmac.compare_digest(known, digest):
                found = grant
        return found
