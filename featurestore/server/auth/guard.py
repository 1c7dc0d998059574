"""The guard: from a request's ``Authorization`` header to a grant, or a refusal.

Shape: ``known(header)``, which never waits, then ``await ask(header)``. The rule: only what was let in is kept, in a
bounded memory, never longer than it is good; so wrong tokens cost only their own check.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from featurestore.server.auth.keys import Keys
from featurestore.server.auth.refused import unknown_caller
from featurestore.server.auth.scopes import ANYBODY, Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.scopes import Action
    from featurestore.definitions.server import ServerSettings
    from featurestore.server.auth.jwt import Tokens

MOST_KEPT = 1_024
LONGEST_HEADER_BYTES = 8_192
TOKEN_KEPT_S = 300.0
"""A token is looked at again after so long, in case its issuer has withdrawn the key that signed it."""
_SEND = "send the header `Authorization: Bearer KEY`"
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


class Guard:
    """Who may ask a server.

    Args:
        settings: its keys and issuer.
        tokens: the issuer's tokens; by default made from `settings`.
        clock: seconds since 1970.

    Raises:
        UsageError: two keys are the same.
    """

    def __init__(
        self, settings: ServerSettings, *, tokens: Tokens | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.needs_anything = settings.asks_who
        """Whether a request must say who it is; else everybody is `ANYBODY`."""
        self._keys = Keys(settings.keys)
        self._tokens = tokens or _open_tokens(settings)
        self._actions = {scope.partition(":")[0] for key in settings.keys for scope in key.scopes}
        self._clock = clock
        self._kept: OrderedDict[bytes | None, tuple[Grant, float]] = OrderedDict()

    def known(self, authorization: bytes | None) -> Grant | None:
        """Return the grant of a header that was let in before and is still good; None says: `ask`."""
        if not self.needs_anything:
            return ANYBODY
        kept = self._kept.get(authorization)
        if kept is None:
            return None
        if kept[1] <= self._clock():
            del self._kept[authorization]
            return None
        self._kept.move_to_end(authorization)
        return kept[0]

    async def ask(self, authorization: bytes | None) -> Grant:
        """Find out who asks; waits for the issuer's keys where they are not here yet.

        Args:
            authorization: the header's value; None if there is none.

        Raises:
            RefusedError: 401.
        """
        known = self.known(authorization)
        if known is not None:
            return known
        token = _bearer(authorization)
        grant, good_until = self._keys.find(token), float("inf")
        if grant is None:
            if self._tokens is None or token.count(b".") != 2:
                raise unknown_caller("this key is not known here")
            grant, expires = await self._tokens.read(token.decode("ascii"))
            good_until = min(expires, self._clock() + TOKEN_KEPT_S)
        self._kept[authorization] = grant, good_until
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return grant

    def has_scope(self, action: Action) -> bool:
        """Whether anybody can be allowed to do this, by a key or a token of the issuer."""
        return self._tokens is not None or action in self._actions or (action == "read" and not self.needs_anything)


def _open_tokens(settings: ServerSettings) -> Tokens | None:
    if settings.oidc is None:
        return None
    from featurestore.server.auth.jwt import (
        Tokens,
    )  # its libraries are 20 MiB that a server with keys alone does without

    return Tokens(settings.oidc)


def _bearer(authorization: bytes | None) -> bytes:
    """The key or token in the header; raises RefusedError if there is none."""
    if not authorization:
        raise unknown_caller("nobody knows who asks", hint=_SEND)
    found = _BEARER.fullmatch(authorization) if len(authorization) <= LONGEST_HEADER_BYTES else None
    if found is None:
        raise unknown_caller("the header Authorization cannot be read", hint=_SEND)
    return found[1]
