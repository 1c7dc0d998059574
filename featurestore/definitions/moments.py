"""Moments as people write them: ``2026-06-01``, ``2026-06-01T12:00:00Z``; without a zone they are UTC."""

from __future__ import annotations

from datetime import datetime, timezone

from featurestore.errors import UsageError


def parse_moment(given: datetime | str | None) -> datetime | None:
    """Read a moment; None stays None.

    Returns:
        An aware time in UTC, to the microsecond.

    Raises:
        UsageError: not an ISO date or time.
    """
    if given is None:
        return None
    moment = given
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip().replace("Z", "+00:00").replace("z", "+00:00"))
        except ValueError as error:
            raise UsageError(f"expected a time such as 2026-06-01 or 2026-06-01T12:00:00Z, got {given!r}") from error
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
