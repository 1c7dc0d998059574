"""A request that is refused because of who asks."""

from __future__ import annotations

from typing import Literal

_CHALLENGES = {401: b"Bearer", 403: b'Bearer error="insufficient_scope"'}


class Refused(Exception):  # noqa: N818  an answer, not a fault
    """Nobody knows who asks (401), or they may not (403).

    Attributes:
        status: of the answer.
        message: for the client; holds nothing of what it sent.
        headers: that the answer must carry.
    """

    def __init__(self, status: Literal[401, 403], message: str) -> None:
        self.status = status
        self.message = message
        self.headers = ((b"www-authenticate", _CHALLENGES[status]),)
        super().__init__(message)
