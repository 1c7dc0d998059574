"""What a request that fails is answered: a JSON string that itself holds JSON, which Feast's client makes an error of.

The rule: a caller reads what is wrong with the request; what is wrong here is an id, and the log says the rest.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, field

import msgspec

from featurestore.errors import (
    BackendError,
    FeatureStoreError,
    NameClashError,
    UnknownNameError,
    UsageError,
    without_secrets,
)

logger = logging.getLogger("featurestore.server")

_FEAST = "feast.errors"
_NOT_FOUND = {
    "feature view": "FeatureViewNotFoundException",
    "feature service": "FeatureServiceNotFoundException",
    "feature": "FeastObjectNotFoundException",
    "entity": "EntityNotFoundException",
}
"""Feast's classes for names that are not there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is made.

    Attributes:
        status: HTTP's.
        body: JSON.
        headers: beside those that every answer has.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


class RefusedError(FeatureStoreError):
    """A request that is not answered, with HTTP's word for why.

    Args:
        status: HTTP's.
        what, hint: for the caller.
        headers: to send.
    """

    def __init__(
        self, status: int, what: str, *, hint: str | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.headers = headers
        super().__init__(what, hint=hint)


def explain(problem: Exception, request_id: str) -> Answer:
    """Say what a failed request is answered; what is not the caller's doing is logged under an id."""
    if isinstance(problem, RefusedError):
        return Answer(problem.status, error_body(str(problem)), problem.headers)
    if isinstance(problem, UnknownNameError) and problem.kind in _NOT_FOUND:
        return Answer(404, error_body(str(problem), _NOT_FOUND[problem.kind]))
    if isinstance(problem, NameClashError):
        return Answer(400, error_body(str(problem), "FeatureNameCollisionError"))
    if isinstance(problem, UsageError):
        return Answer(400, error_body(str(problem)))
    error_id = uuid.uuid4().hex[:12]
    if isinstance(problem, BackendError):
        logger.error("error %s in request %s: %s", error_id, request_id, without_secrets(str(problem)))
        return Answer(
            503, error_body(f"the online store cannot answer now (error {error_id})"), ((b"retry-after", b"1"),)
        )
    if isinstance(problem, FeatureStoreError):
        logger.error("error %s in request %s: %s", error_id, request_id, without_secrets(str(problem)))
    else:
        logger.error("error %s in request %s: %s", error_id, request_id, type(problem).__name__)
    return Answer(500, error_body(f"something went wrong (error {error_id})"))


def error_body(message: str, of_class: str = "FeastError") -> bytes:
    """Write an error as Feast's client reads it."""
    detail = {"module": _FEAST, "class": of_class, "message": message}
    return msgspec.json.encode(msgspec.json.encode(detail).decode())
