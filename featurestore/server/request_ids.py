"""Each request has an id: the caller's own, where it is short and plain; else a new one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

from featurestore.server.asgi import header

if TYPE_CHECKING:
    from featurestore.server.asgi import Scope

HEADER = b"x-request-id"
_LONGEST = 128


class RequestIds:
    """The ids of one worker."""

    def __init__(self) -> None:
        self._new = map(f"{uuid4().hex[:16]}-{{:x}}".format, count())

    def of(self, scope: Scope) -> str:
        """Find or make the id of a request."""
        given = header(scope, HEADER)
        if given is not None and 0 < len(given) <= _LONGEST:
            text = given.decode("latin-1")
            if text.isascii() and text.isprintable():
                return text
        return next(self._new)
