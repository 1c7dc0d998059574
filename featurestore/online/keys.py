"""The key of an online row, and the one text that each key value has, wherever it comes from.

Shape: ``fs:{project}:{view}@{version}:{<value>|<value>}``, the entity in literal braces (a Redis Cluster hash tag);
``{version}+{n}`` for the view's n-th set of rows (`online.state`).
The rule: values that SQL calls equal have one text, different values never share one (SEMANTICS P2).
"""

from __future__ import annotations

import math
import re
import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from uuid import UUID

from featurestore.definitions.types import INTEGERS
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from featurestore.definitions.views import Column, FeatureView

    KeyTextOf = Callable[[object], str]

NO_VERSION = "0"
"""Stands in keys for the version of a view that has none."""

_LARGEST_EXACT_FLOAT = 2**53
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]([0-9:.]+)\s?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
ESCAPES = {"%": "%25", "|": "%7C", "{": "%7B", "}": "%7D"}
"""What stands for the marks of a key inside a value; the percent sign first, since the others are written with it."""
_VALUE_ESCAPES = str.maketrans(ESCAPES)
_NAME_ESCAPES = str.maketrans({**ESCAPES, ":": "%3A", "@": "%40", "+": "%2B"})


def key_prefix(project: str, view: FeatureView, row_set: int = 0) -> bytes:
    """Return what all keys of a view's set of rows begin with, the opening brace included.

    Args:
        project: its name.
        view: the definition.
        row_set: number of the set (`online.state`); the first one is not written.
    """
    version = escape_name(view.version or NO_VERSION)
    numbered = f"{version}+{row_set}" if row_set else version
    return f"fs:{escape_name(project)}:{escape_name(view.name)}@{numbered}:{{".encode()


def escape_name(name: str) -> str:
    """Percent-escape what separates the parts of a key, so that two names never make one key."""
    return name.translate(_NAME_ESCAPES)


def entity_key(prefix: bytes, texts: Iterable[str]) -> bytes:
    """Build the key of one entity.

    Args:
        prefix: from `key_prefix`.
        texts: the key texts of the view's join keys, in order; none for a view without entity (P10).

    Raises:
        UsageError: a text that is not valid Unicode.
    """
    entity = "|".join([text.translate(_VALUE_ESCAPES) for text in texts])
    try:
        return b"%b%b}" % (prefix, entity.encode())
    except UnicodeEncodeError as problem:
        raise UsageError(f"a join key holds text that is not valid Unicode: {entity!a}") from problem


def integer_key(prefix: bytes, value: int) -> bytes:
    """Build the key of an entity that one integer identifies: the bytes of `entity_key`, in a tenth of the time."""
    return b"%b%d}" % (prefix, value)


def integer_ends(values: Iterable[int]) -> list[bytes]:
    """Build what follows the prefix in the keys of entities that one integer each identifies."""
    return [b"%d}" % value for value in values]


def key_text(value: object, column: Column) -> str | None:
    """Write the text that a join key's value has inside an online key.

    Args:
        value: from Arrow, Python (numpy scalars too) or JSON.
        column: the join key as the view declares it.

    Returns:
        The text, not yet escaped; None for None, because NULL identifies nothing (P2).

    Raises:
        UsageError: the value is not of the declared type; names key, type and what was got.
    """
    if value is None:
        return None
    plain = without_numpy(value)
    try:
        return key_text_of(column.type)(plain)
    except (ValueError, OverflowError, InvalidOperation) as problem:
        expected = str(problem) if isinstance(problem, _ExpectedError) else f"a {column.type}"
        raise UsageError(
            f"expected {expected}, got {_shortened(plain)} ({type(value).__name__})",
            where=f"join key '{column.name}' ({column.type})",
            hint="pass the value in the key's type; a missing key is None",
        ) from None


def key_text_of(value_type: str) -> KeyTextOf:
    """Return the function that writes key texts of a type.

    Raises:
        UsageError: values of this type cannot be keys.
    """
    base = "decimal" if value_type.startswith("decimal(") else value_type
    if base in INTEGERS:
        return _integer_text
    if base.startswith("unknown:"):
        return _string_text
    if base not in _TEXTS:
        raise UsageError(f"a column of type {value_type} cannot be a join key online", hint="cast it to a string")
    return _TEXTS[base]


def _shortened(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 256:
        return f"one of {value.bit_length()} bits"  # Python refuses to write integers of thousands of digits
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class _ExpectedError(ValueError):
    """Says what was expected."""


def is_numpy_scalar(kind: type) -> bool:
    """Whether values of this type are numpy's, one by one."""
    return kind.__module__ == "numpy" and kind.__name__ != "ndarray"


def without_numpy(value: object) -> object:
    """Unwrap a numpy scalar without importing numpy."""
    if not is_numpy_scalar(type(value)):
        return value
    unwrap: Callable[[], object] = value.item  # type: ignore[attr-defined]
    return unwrap()


def _integer_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 128:
            raise _ExpectedError("an integer of at most 128 bits")
        return str(int(value))  # the number, where an Enum says its name
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        if abs(value) > _LARGEST_EXACT_FLOAT:
            raise _ExpectedError("an integer that a float holds exactly (up to 2^53)")
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 40 and value == int(value):
        return str(int(value))
    raise _ExpectedError("a whole number")


def _string_text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # the text, where an Enum says its name
    raise _ExpectedError("text")


def _boolean_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value in {"true", "false"}:
        return str.__str__(value)
    raise _ExpectedError("true or false")


def _float64_text(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(float(value) + 0.0)  # SQL calls -0.0 and 0.0 equal
    raise _ExpectedError("a number")


def _float32_text(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    wide = float(_float64_text(value))
    return repr(struct.unpack("<f", struct.pack("<f", wide))[0])


def _decimal_text(value: object) -> str:
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise _ExpectedError("a decimal number")
        value = Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer_text(value)
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > 80:
        raise _ExpectedError("a decimal number")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _date_text(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time.min:
        return value.date().isoformat()  # how a pandas frame holds a date
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and _DATE.fullmatch(value):
        return date.fromisoformat(value).isoformat()
    raise _ExpectedError("a date such as 2026-01-31")


def _time_text(value: object) -> str:
    if isinstance(value, str) and _TIME.fullmatch(value):
        value = parse_time(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    raise _ExpectedError("a time such as 12:30:00")


def _timestamp_text(value: object) -> str:
    if isinstance(value, str):
        value = parse_instant(value)
    if not isinstance(value, datetime) or value != value:  # noqa: PLR0124 -- pandas.NaT is a datetime
        raise _ExpectedError("a timestamp such as 2026-01-31T12:30:00Z")
    utc = (value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value).astimezone(timezone.utc)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _uuid_text(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and _UUID.fullmatch(value):
        return str(UUID(value))
    raise _ExpectedError("a UUID")


def _bytes_text(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value.hex()
    raise _ExpectedError("bytes")


_TEXTS: dict[str, KeyTextOf] = {
    "string": _string_text,
    "boolean": _boolean_text,
    "float64": _float64_text,
    "float32": _float32_text,
    "decimal": _decimal_text,
    "date": _date_text,
    "time": _time_text,
    "timestamp": _timestamp_text,
    "timestamptz": _timestamp_text,
    "uuid": _uuid_text,
    "bytes": _bytes_text,
}


def parse_instant(text: str) -> datetime:
    """Read an ISO timestamp the same way on every Python; without a zone it is UTC (P14).

    Raises:
        ValueError: not a timestamp.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise _ExpectedError("a timestamp such as 2026-01-31T12:30:00Z")
    day, clock, zone = match.groups()
    parsed = datetime.combine(date.fromisoformat(day), parse_time(clock) if clock else time.min, tzinfo=timezone.utc)
    if zone in {None, "Z"}:
        return parsed
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
    offset = timedelta(hours=hours, minutes=minutes)
    return parsed + offset if zone[0] == "-" else parsed - offset


def parse_time(text: str) -> time:
    """Read a time of day the same way on every Python.

    Raises:
        ValueError: not one, or finer than a microsecond.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise _ExpectedError("a time such as 12:30:00")
    hour, minute, second, fraction = match.groups()
    return time(int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0")))
