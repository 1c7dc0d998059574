"""A block of YAML under one of our keys, read with strict types.

Every getter returns a value of its type or None, and notes a problem that names file and key when the YAML holds
something else. An empty key (``ttl:``) counts as absent. Lists lose repeated items, because dbt appends the lists of a
versioned model to those of its version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from featurestore.definitions.durations import LONGEST_US, MINUTE, SECOND, parse_duration
from featurestore.errors import did_you_mean, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.manifest.problems import Problems

Choice = TypeVar("Choice", bound=str)

_SHOWN_CHARACTERS = 60
_SECONDS_PER_MINUTE = MINUTE // SECOND
_MOST_SIXTIES = 100 * _SECONDS_PER_MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A mapping at a place.

    Attributes:
        file: the file, and the resource in it where the file may hold several.
        path: the mapping's own key path in the file, e.g. ``config.meta.feature_view``; empty for the whole file.
        values: as dbt or YAML parsed them.
        problems: where what is wrong is noted.
    """

    file: str
    path: str
    values: Mapping[str, Any]
    problems: Problems

    @property
    def where(self) -> str:
        """File and key path of the mapping."""
        return f"{self.file}: {self.path}" if self.path else self.file

    def place(self, key: str) -> str:
        """File and key path of one key."""
        return f"{self.file}: {self.path}.{key}" if self.path else f"{self.file}: {key}"

    def refuse(self, key: str, expected: str, hint: str | None = None) -> None:
        """Note that `key` holds something else than `expected`."""
        what = f"expected {expected}, got {show(self.values.get(key))}"
        self.problems.error(what, where=self.place(key), hint=hint)

    def text(self, key: str, expected: str = "text") -> str | None:
        """Read text that is not empty."""
        value = self.values.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.refuse(key, expected)
        return None

    def names(self, key: str) -> tuple[str, ...] | None:
        """Read a list of names, repeated ones once."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
            return tuple(dict.fromkeys(value))
        hint = f"write `{key}: [{value if isinstance(value, str) and value.strip() else 'NAME'}]`"
        self.refuse(key, "a list of names", hint)
        return None

    def flag(self, key: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(key, "true or false")
        return default

    def choice(self, key: str, allowed: tuple[Choice, ...], *, default: Choice) -> Choice:
        """Read one of a few words; the first one is usual."""
        value = self.values.get(key)
        if value is None:
            return default
        for word in allowed:
            if value == word:
                return word
        self.refuse(key, " or ".join(allowed))
        return default

    def duration(self, key: str, *, example: str, absent: str, zero_allowed: bool = False) -> int | None:
        """Read a duration.

        Args:
            key: which.
            example: a usual value, for the hint.
            absent: what a missing key means, for the hint.
            zero_allowed: whether ``0s`` has a meaning here.

        Returns:
            Microseconds, None if the key is missing or wrong.
        """
        value = self.values.get(key)
        if value is None:
            return None
        remedy = f"write `{key}: {example}`, or remove the key if {absent}"
        if not isinstance(value, str):
            self.refuse(key, 'a duration such as "7 days"', _explain_sixties(value) + remedy)
            return None
        try:
            microseconds = parse_duration(value)
        except ValueError as error:
            self.problems.error(str(error), where=self.place(key), hint=remedy)
            return None
        if microseconds == 0 and not zero_allowed:
            self.refuse(key, "a duration above zero (SEMANTICS P3)", f"remove the key if {absent}")
        elif microseconds > LONGEST_US:
            self.refuse(key, "at most 1000 years", f"remove the key if {absent}")
        else:
            return microseconds
        return None


def open_block(value: object, *, file: str, path: str, known: Iterable[str], problems: Problems) -> Block | None:
    """Check that `value` is a mapping with known keys only; None, with the problem noted, when it is no mapping."""
    where = f"{file}: {path}" if path else file
    if not isinstance(value, dict):
        problems.error(f"expected a mapping of keys, got {show(value)}", where=where)
        return None
    names = tuple(known)
    for key in value:
        if key not in names:
            problems.error(f"unknown key '{key}'", where=where, hint=did_you_mean(str(key), names))
    return Block(file=file, path=path, values=value, problems=problems)


def show(value: object) -> str:
    """Write a value for a message: text in quotes, the rest as JSON, passwords blotted out, long ones cut."""
    text = without_secrets(repr(value) if isinstance(value, str) else json.dumps(value, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _explain_sixties(value: object) -> str:
    """Say that YAML 1.1 reads 1:30 as 90, if this number could come from that."""
    if isinstance(value, bool) or not isinstance(value, int) or not _SECONDS_PER_MINUTE <= value < _MOST_SIXTIES:
        return ""
    return f"YAML reads {value // _SECONDS_PER_MINUTE}:{value % _SECONDS_PER_MINUTE:02} without quotes as {value}; "
