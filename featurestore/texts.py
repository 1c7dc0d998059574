"""Values as people read them: columns, counts, ages, sizes, times. The command line and notebooks show the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

GAP = "  "
"""What stands between two columns."""
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What a terminal obeys, or nobody sees; line feeds and tabs are not among it."""
_UNITS_S = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def seen(text: str) -> str:
    r"""Write as escapes, such as ``\x1b``, what a terminal would obey or nobody sees; line feeds and tabs stay.

    What is printed comes from elsewhere: a description out of a registry must not move the cursor or turn the text.
    """
    return text if text.isprintable() else UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def aligned(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Write rows of text as columns, left-aligned, without trailing blanks."""
    rows = [[seen(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(indent + line for line in lines)


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 view``, ``1,000 views``, ``2 entities``."""
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("ty") else f"{noun}s"
    return f"{count:,} {plural}"


def one_line(text: str, limit: int = 60) -> str:
    """Fold text into one line and cut it."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else f"{folded[: limit - 3]}..."


def age(seconds: float) -> str:
    """Write how long something took or is ago, in its two largest units: ``12s``, ``3m 20s``, ``9d``, ``9d 4h``."""
    parts: list[str] = []
    rest = max(0, int(seconds))
    for unit, size in _UNITS_S:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0s"


def size(count: float) -> str:
    """Write a number of bytes in the largest unit that fits: ``512 B``, ``1.5 KiB``, ``23 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def cell(value: object, limit: int = 60) -> str:
    """Write one value of a table: NULL, times in ISO form, the rest as Python says it, cut."""
    from datetime import datetime

    if value is None:
        return "NULL"
    return moment(value) if isinstance(value, datetime) else one_line(str(value), limit)


def moment(value: datetime) -> str:
    """Write a time as ISO text in UTC; one without a zone as it is."""
    from datetime import timezone

    if value.tzinfo is None:
        return value.isoformat(sep=" ")
    return f"{value.astimezone(timezone.utc).replace(tzinfo=None).isoformat()}Z"
