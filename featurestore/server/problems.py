"""What a request that fails is answered: a JSON string that itself holds JSON, which Feast's client makes an error of.

The rule: a caller reads what is wrong with the request; what is wrong here is an id, and the log says the rest.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import (
    BackendError,
    FeatureStoreError,
    NameClashError,
    UnknownNameError,
    UsageError,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("featurestore.server")

_IN_JSON = (
    (re.compile(r"\bentity_rows\[(\d+)\]"), r"entities, row \1"),
    (re.compile(r"\bentity_rows\b"), "entities"),
    (re.compile(r"\b(features|feature_service|full_feature_names)=(?=[\[\"T])"), r'"\1": '),
    (re.compile(r'(?<="full_feature_names": )True'), "true"),
    (re.compile(r"a missing key is None"), "a missing key is null"),
)
"""What the library says to who writes Python, and what to write in a request."""
_SAID_EVERY_S = 1.0
_TEXTS_KEPT = 64
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


@dataclass(slots=True)
class _Said:
    error_id: str
    at: float
    unsaid: int = 0


class Repeats:
    """Failures of a store that is away: each said once a second, however many requests it fails."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, _Said] = {}

    def log(self, text: str, request_id: str) -> str:
        """Log a failure, unless it was just logged; returns the id under which it stands in the log."""
        now, before = self._clock(), self._said.get(text)
        if before is not None and now - before.at < _SAID_EVERY_S:
            before.unsaid += 1
            return before.error_id
        if len(self._said) >= _TEXTS_KEPT:
            self._said.clear()
        said = self._said[text] = _Said(_new_id(), now)
        more = f"; error {before.error_id} in {before.unsaid} more" if before is not None and before.unsaid else ""
        logger.error("error %s in request %s%s: %s", said.error_id, request_id, more, text)
        return said.error_id


def explain(problem: Exception, request_id: str, repeats: Repeats | None = None) -> Answer:
    """Say what a failed request is answered; what is not the caller's doing is logged under an id.

    Args:
        problem: why it failed.
        request_id: its id.
        repeats: what was just logged of failures of the store; None logs each.
    """
    if isinstance(problem, RefusedError):
        return Answer(problem.status, error_body(str(problem)), problem.headers)
    if isinstance(problem, UnknownNameError) and problem.kind in _NOT_FOUND:
        return Answer(404, error_body(_in_json(problem), _NOT_FOUND[problem.kind]))
    if isinstance(problem, NameClashError):
        return Answer(400, error_body(_in_json(problem), "FeatureNameCollisionError"))
    if isinstance(problem, UsageError):
        return Answer(400, error_body(_in_json(problem)))
    if isinstance(problem, BackendError):
        error_id = (repeats or Repeats()).log(without_secrets(str(problem)), request_id)
        return Answer(
            503, error_body(f"the online store cannot answer now (error {error_id})"), ((b"retry-after", b"1"),)
        )
    error_id = _new_id()
    if isinstance(problem, FeatureStoreError):
        logger.error("error %s in request %s: %s", error_id, request_id, without_secrets(str(problem)))
    else:
        logger.error("error %s in request %s: %s", error_id, request_id, type(problem).__name__, exc_info=problem)
    return Answer(500, error_body(f"something went wrong (error {error_id})"))


def _in_json(problem: UsageError) -> str:
    text = str(problem)
    for in_python, in_json in _IN_JSON:
        text = in_python.sub(in_json, text)
    return text


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


def error_body(message: str, of_class: str = "FeastError") -> bytes:
    """Write an error as Feast's client reads it."""
    detail = {"module": _FEAST, "class": of_class, "message": message}
    return msgspec.json.encode(msgspec.json.encode(detail).decode())
