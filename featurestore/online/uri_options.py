"""Read the options after ``?`` of an online store's URI: each has a name, a kind and a default; nothing else passes.

Errors name the option and what was expected, never the URI: it may hold a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from featurestore.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class UriOptions:
    """Options of one URI, still as text; ask by the kind that is expected."""

    given: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        return self.given.get(name, default)

    def seconds(self, name: str, default: float) -> float:
        """Return a time in seconds, above 0 and at most an hour."""
        text = self.given.get(name)
        try:
            seconds = default if text is None else float(text)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= 3600:
            raise UsageError(f"expected seconds such as 0.05, got {text!r}", where=_where(name))
        return seconds

    def count(self, name: str, default: int) -> int:
        """Return a whole number of at least one."""
        text = self.given.get(name, str(default))
        if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 10):
            raise UsageError(f"expected a whole number of at least 1, got {text!r}", where=_where(name))
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        text = self.given.get(name, str(default)).lower()
        if text not in _BOOLEANS:
            raise UsageError(f"expected true or false, got {text!r}", where=_where(name))
        return _BOOLEANS[text]


def read_options(query: str, known: Collection[str], *, store: str) -> UriOptions:
    """Read the query of a URI.

    Args:
        query: what stands after ``?``.
        known: names of the options there are.
        store: kind of the store, for the error.

    Raises:
        UnknownNameError: an option that is not known.
    """
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in known:
            raise unknown_name("option", name, known, place=f"the URI of a {store} online store")
    return UriOptions(given=given)


def _where(name: str) -> str:
    return f"{name} in the URI of the online store"
