"""Markup that is safe by construction: whatever comes from data is escaped where it is put in, and nowhere else."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CUT = "…"


def escaped(text: str) -> str:
    """Text as markup; characters that XML has no way to write are shown as a replacement character."""
    return html.escape(_NOT_IN_XML.sub("\ufffd", text))


def tag(name: str, attributes: Mapping[str, object], *children: str) -> str:
    """Write one element; attribute values are escaped, children are markup already."""
    written = "".join(f' {key}="{escaped(_number(given))}"' for key, given in attributes.items())
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def width(text: str) -> int:
    """How many columns a text takes, where wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def cut(text: str, columns: int) -> str:
    """Shorten a text to so many columns."""
    folded = " ".join(text.split())
    if width(folded) <= columns:
        return folded
    while folded and width(folded) >= columns:
        folded = folded[:-1]
    return f"{folded.rstrip()}{_CUT}"


def wrapped(text: str, columns: int) -> list[str]:
    """Break a text into lines of so many columns, between words where that can be done."""
    lines: list[str] = []
    for word in text.split():
        last = f"{lines[-1]} {word}" if lines else ""
        if lines and width(last) <= columns:
            lines[-1] = last
        else:
            lines.extend(_pieces(word, columns))
    return lines


def _pieces(word: str, columns: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if width(pieces[-1] + letter) > columns:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _number(given: object) -> str:
    return f"{given:.1f}".removesuffix(".0") if isinstance(given, float) else str(given)
