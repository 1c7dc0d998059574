"""Durations as people write them: ``30d``, ``7 days``, ``1h 30m``, ``90s``, ``250ms``, ``1us``.

One form inside: whole microseconds (SEMANTICS P3: sub-second ttls are exact).
"""

from __future__ import annotations

import re

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
LONGEST_US = 1000 * 365 * DAY
"""The longest duration that makes sense; a longer one is a slip."""

UNITS_US: dict[str, int] = {
    **dict.fromkeys(("us", "microsecond", "microseconds"), MICROSECOND),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), MILLISECOND),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
}
_WRITTEN = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND))
_PART = re.compile(r"\s*(\d{1,18})\s*([a-z]+)\s*", re.ASCII)
_SHOWN = 40


def parse_duration(text: str) -> int:
    """Read a duration.

    Args:
        text: whole numbers with units, largest first or not, e.g. ``1h 30m``.

    Returns:
        Microseconds, zero or more.

    Raises:
        ValueError: not a duration; the message says what was got and shows the form.
    """
    folded = text.strip().lower()
    position, total = 0, 0
    while position < len(folded):
        part = _PART.match(folded, position)
        if part is None or part[2] not in UNITS_US:
            break
        total += int(part[1]) * UNITS_US[part[2]]
        position = part.end()
    if not folded or position < len(folded):
        got = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
        raise ValueError(f'expected a duration such as "7 days", "1h 30m" or "250ms", got {got}')
    return total


def format_duration(microseconds: int) -> str:
    """Write microseconds in the shortest exact form, e.g. ``1h 30m``; zero is ``0s``."""
    parts = []
    rest = microseconds
    for unit, size in _WRITTEN:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
