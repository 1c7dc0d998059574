"""The hash of docs/training-card.md in plain Python: slow, and short enough to be read beside the page."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "training-card.md"
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def from_page():
    """What the page's Python defines."""
    found = {}
    for block in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        exec(block, found)
    return found


_DEFINED = from_page()
mix, sequence, text, hash_rows_of_words = (
    _DEFINED[name] for name in ("mix", "sequence", "text", "hash_rows")
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column, and the words of its values by the page's table of types."""

    name: str
    type: str

    def word(self, value):
        """0 for NULL."""
        return _word(self.type, value)


def hash_rows(columns, rows):
    """The page's hash of rows of Python values; times are nanoseconds."""
    of_words = [[column.word(value) for column, value in zip(columns, row, strict=True)] for row in rows]
    return hash_rows_of_words([(column.name, column.type) for column in columns], of_words)


def _word(kind, value):
    if value is None:
        return 0
    if kind.startswith("list<"):
        return sequence(len(value), [_word(kind[5:-1], each) for each in value])
    if kind.startswith("map<"):
        key, _, item = kind[4:-1].partition(",")
        pairs = [sequence(0, [_word(key, k), _word(item, v)], counted=False) for k, v in value]
        return sequence(len(pairs), pairs)
    if kind.startswith("struct<"):
        parts = [part.partition(":")[::2] for part in kind[7:-1].split(",")]
        return sequence(0, [_word(of, value[name]) for name, of in parts], counted=False)
    if kind in ("string", "binary"):
        return text(value.encode() if kind == "string" else value)
    if kind.startswith("decimal"):
        bits = 256 if int(kind[8:-1].split(",")[0]) > 38 else 128
        unscaled = int(value.scaleb(int(kind[8:-1].split(",")[1])))
        raw = (unscaled % 2**bits).to_bytes(bits // 8, "little")
        return sequence(0, struct.unpack(f"<{bits // 64}Q", raw), counted=False)
    return mix(_bits(kind, value))


def _bits(kind, value):
    if kind.startswith("float"):
        plain = 0.0 if value == 0 else float(value)
        return 0x7FF8000000000000 if math.isnan(plain) else struct.unpack("<Q", struct.pack("<d", plain))[0]
    if kind == "date":
        return (value - date(1970, 1, 1)).days % 2**64
    if kind in ("timestamp", "timestamptz", "time", "duration"):
        whole, rest = divmod(value, 1_000)
        return (whole + rest * 0x9E3779B97F4A7C15) % 2**64
    return int(value) % 2**64
