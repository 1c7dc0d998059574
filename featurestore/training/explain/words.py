"""How times, spans and values are written in an explanation."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from featurestore.definitions.durations import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECONDS = timedelta(microseconds=1)
NEVER = "-"
_INFINITE_US = 2**63 - 1  # how DuckDB and Postgres hand on an infinite time
_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND))


def span(microseconds: int) -> str:
    """Write how far two times are apart, in its two largest units: ``3d 4h``, ``1s``, ``1us``; zero is ``0s``."""
    rest = abs(microseconds)
    for number, (unit, size) in enumerate(_UNITS):
        count, rest_of_unit = divmod(rest, size)
        if not count:
            continue
        if number + 1 < len(_UNITS):
            next_unit, next_size = _UNITS[number + 1]
            next_count = rest_of_unit // next_size
            return f"{count}{unit} {next_count}{next_unit}" if next_count else f"{count}{unit}"
        return f"{count}{unit}"
    return "0s"


def moment(microseconds: int | None) -> str:
    """Write a time in UTC as ISO text, to the microsecond if need be; none is ``-``."""
    if microseconds is None:
        return NEVER
    if abs(microseconds) >= _INFINITE_US:
        return "infinity" if microseconds > 0 else "-infinity"
    try:
        at = EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{'after' if microseconds > 0 else 'before'} the years 1 to 9999"
    return f"{at.replace(tzinfo=None).isoformat()}Z"


def value(given: object, limit: int = 40) -> str:
    """Write a value in one line, cut; NULL for none."""
    if given is None:
        return "NULL"
    if isinstance(given, datetime):
        text = given.isoformat(sep=" ")
    elif isinstance(given, float) and math.isnan(given):
        text = "NaN"
    else:
        text = " ".join(str(given).split()) if isinstance(given, str) else str(given)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 row``, ``1,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
