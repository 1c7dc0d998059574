"""Lists that are written in one option: separated by commas, except inside brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPENING, _CLOSING = "([<", ")]>"


def split_list(texts: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Split at commas outside brackets, e.g. ``place[id=a_id, kind=b] as a:x, orders:total`` into two.

    Args:
        texts: the option's values, one after the other; empty items are dropped.
        where: the option, for errors.

    Raises:
        UsageError: nothing is in the list.
    """
    items = [item.strip() for text in texts for item in _split(text)]
    found = tuple(item for item in items if item)
    if not found:
        raise UsageError("expected a list separated by commas, got nothing", where=where)
    return found


def _split(text: str) -> list[str]:
    items, depth = [""], 0
    for letter in text:
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and depth <= 0:
            items.append("")
        else:
            items[-1] += letter
    return items
