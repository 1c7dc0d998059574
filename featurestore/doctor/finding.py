"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from featurestore.errors import FeatureStoreError

Status = Literal["OK", "WARN", "FAIL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one check.

    Attributes:
        check: what was looked at.
        status: ``OK``, ``WARN`` (works, but look at it) or ``FAIL``.
        what: what was found.
        fix: what to do; None when all is well.
    """

    check: str
    status: Status
    what: str
    fix: str | None = None


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check=check, status="OK", what=what)


def warning(check: str, what: str, fix: str | None) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(check=check, status="WARN", what=what, fix=fix)


def failure(check: str, what: str, fix: str | None) -> Finding:
    """It cannot work like this."""
    return Finding(check=check, status="FAIL", what=what, fix=fix)


def failed(check: str, error: FeatureStoreError) -> Finding:
    """What an error says, as a finding."""
    return failure(check, error.message, error.hint)
