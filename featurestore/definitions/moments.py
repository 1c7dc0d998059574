"""Moments as people write them: ``2026-06-01``, ``2026-06-01T12:00:00Z``; without a zone they are UTC."""

from __future__ import annotations

from datetime import date, datetime, time, timezone

from featurestore.errors import UsageError


def parse_moment(given: date | str | None, *, where: str | None = None) -> datetime | None:
    """Read a moment; None stays None.

    Args:
        given: as text, or a date or time.
        where: the option or argument, for errors.

    Returns:
        An aware time in UTC, to the microsecond.

    Raises:
        UsageError: not an ISO date or time.
    """
    if given is None:
        return None
    expected = "expected a time such as 2026-06-01 or 2026-06-01T12:00:00Z"
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given.strip().replace("Z", "+00:00").replace("z", "+00:00"))
        except ValueError as error:
            raise UsageError(f"{expected}, got {given!r}", where=where) from error
    elif isinstance(given, date):
        moment = given if isinstance(given, datetime) else datetime.combine(given, time())
    else:
        raise UsageError(f"{expected}, got {given!r}", where=where)
    try:
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except OverflowError as error:
        what = f"{expected}, got {given}, which lies outside the years 1 to 9999 in UTC"
        raise UsageError(what, where=where) from error
