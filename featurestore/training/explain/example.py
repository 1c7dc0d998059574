"""The example that is explained: a row of the spine, or keys and a time that somebody names.

Either way it becomes typed keys and one UTC instant, so that the explanation and the training set compare the same.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, SupportsIndex
from uuid import UUID

from featurestore.definitions.moments import parse_moment
from featurestore.definitions.types import INTEGERS, TIMES, family_of
from featurestore.errors import UsageError, unknown_name
from featurestore.sql.candidates import KeyValue
from featurestore.sql.expressions import SPINE_TIME
from featurestore.training.explain.words import EPOCH

if TYPE_CHECKING:
    import pyarrow as pa

    from featurestore.definitions.references import Selection
    from featurestore.definitions.spine import Spine

_US = 10**6
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What is explained.

    Attributes:
        keys: join keys by the spine's name, as values; None is NULL.
        typed: those that are not NULL, as SQL compares them.
        at_us: its time, microseconds since 1970, UTC; None is NULL.
        row: its number in the spine, from 0; None if it was named by keys and time.
    """

    keys: Mapping[str, object]
    typed: tuple[KeyValue, ...]
    at_us: int | None
    row: int | None = None

    @property
    def label(self) -> str:
        """Write its keys, e.g. ``customer_id=7``."""
        return ", ".join(f"{name}={'NULL' if given is None else given}" for name, given in self.keys.items())


def key_types(selection: Selection) -> dict[str, tuple[tuple[str, str], ...]]:
    """Types that each join key of a request has: (type, view) per view that uses it, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for use in selection.uses:
        for key, spine_key in zip(use.view.join_keys, use.spine_keys, strict=True):
            found.setdefault(spine_key, []).append((key.type, use.view.reference))
    return {name: tuple(types) for name, types in found.items()}


def keys_from_text(selection: Selection, texts: Mapping[str, str]) -> dict[str, object]:
    """Read keys that were typed as text, e.g. on a command line, as the types their views say.

    Raises:
        UsageError: a key that is unknown, or no value of its type.
    """
    types = key_types(selection)
    _refuse_unknown(texts, types)
    return {name: _parsed(name, text, types[name][0][0]) for name, text in texts.items()}


def named_example(selection: Selection, keys: Mapping[str, object], time: date | str | None) -> Example:
    """Make an example of keys and a time.

    Args:
        selection: the request; says which keys are needed, and of what type.
        keys: by the spine's names; None is NULL.
        time: as `moments.parse_moment` reads it; without a zone it is UTC.

    Raises:
        UsageError: a key is missing, unknown or of another type, or there is no time.
    """
    types = key_types(selection)
    _refuse_unknown(keys, types)
    missing = [name for name in types if name not in keys]
    if missing:
        written = ",".join(f"{name}=..." for name in types)
        raise UsageError(f"the join key '{missing[0]}' is missing", hint=f"give {written}")
    at = parse_moment(time, where="time")
    if at is None:
        raise UsageError("at which time? expected one such as 2026-06-01T12:00:00Z, got none", hint="give time=")
    values = {name: _checked(name, given, types[name]) for name, given in keys.items()}
    typed = tuple(_typed(name, given, types[name][0][0]) for name, given in values.items() if given is not None)
    return Example(keys=values, typed=typed, at_us=_microseconds(at))


def spine_example(spine: Spine, selection: Selection, row: int, found: pa.Table) -> Example:
    """Make an example of one row of a spine, as `sql.candidates.example_query` reads it."""
    import pyarrow as pa

    names = [spine.column(key).name for key in selection.spine_keys]
    keys: dict[str, object] = {}
    typed = []
    for asked, name in zip(selection.spine_keys, names, strict=True):
        cell = found.column(name).combine_chunks()
        if pa.types.is_dictionary(cell.type):
            cell = cell.dictionary_decode()
        text = None if cell.null_count else _arrow_text(cell)
        keys[asked] = text if text is None or pa.types.is_timestamp(cell.type) else cell[0].as_py()
        if text is not None:
            have, wanted = spine.column(name).type, key_types(selection)[asked][0][0]
            typed.append(KeyValue(name=asked, type=wanted if wanted == "uuid" else have, text=text))
    time = found.column(SPINE_TIME).cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return Example(keys=keys, typed=tuple(typed), at_us=time[0].as_py(), row=row)


def _arrow_text(cell: pa.Array) -> str:
    import pyarrow as pa

    if pa.types.is_binary(cell.type) or pa.types.is_fixed_size_binary(cell.type):
        return str(cell[0].as_py())
    try:
        return str(cell.cast(pa.string())[0].as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(cell[0].as_py())


def _refuse_unknown(keys: Mapping[str, object], types: Mapping[str, object]) -> None:
    for name in keys:
        if name not in types:
            raise unknown_name("join key", name, types, place="these features")


def _checked(name: str, given: object, types: tuple[tuple[str, str], ...]) -> object:
    """A key as a value of its type; every view that uses it has a say."""
    if given is None:
        return None
    for value_type, view in types:
        if isinstance(given, bool) != (value_type == "boolean") or not isinstance(given, _kinds(value_type)):
            kind = f"the text {given!r}" if isinstance(given, str) else f"{given!r} ({type(given).__name__})"
            raise UsageError(f"join key '{name}' is {value_type} in {view}, got {kind}")
    wanted = types[0][0]
    if wanted == "date":
        return date.fromisoformat(given) if isinstance(given, str) else given
    return (
        parse_moment(given, where=f"join key '{name}'") if wanted in TIMES and isinstance(given, (date, str)) else given
    )


def _kinds(value_type: str) -> tuple[type, ...]:
    """Python's types for values of a type."""
    if value_type in INTEGERS:
        return (SupportsIndex,)
    if family_of(value_type) == "number":
        return (SupportsIndex, float, Decimal)
    if family_of(value_type) == "time":
        return (date, str)
    return {"boolean": (bool,), "uuid": (UUID, str)}.get(value_type, (str,))


def _typed(name: str, given: object, value_type: str) -> KeyValue:
    """A key as SQL; a number is as wide as it is written, so that none is rounded into another."""
    if isinstance(given, bool):
        return KeyValue(name=name, type=value_type, text=str(given).lower())
    if isinstance(given, SupportsIndex):
        return KeyValue(name=name, type="int64", text=str(operator.index(given)))
    if isinstance(given, Decimal):
        exponent = given.as_tuple().exponent
        scale = max(0, -exponent) if isinstance(exponent, int) else 0
        return KeyValue(name=name, type=f"decimal(38,{scale})", text=f"{given:f}")
    if isinstance(given, float):
        return KeyValue(name=name, type="float64", text=repr(given))
    text = given.isoformat() if isinstance(given, date) else str(given)
    return KeyValue(name=name, type=value_type, text=text)


def _parsed(name: str, text: str, value_type: str) -> object:
    """Read one key from text."""
    wrong = UsageError(f"join key '{name}' is {value_type}, got {text!r}", where="--entity")
    try:
        if value_type in INTEGERS:
            return int(text)
        if family_of(value_type) == "number":
            return Decimal(text)
        if value_type == "boolean":
            return _BOOLEANS[text.lower()]
        if value_type == "date":
            return date.fromisoformat(text)
        if value_type == "uuid":
            return UUID(text)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise wrong from error
    return parse_moment(text, where=f"--entity: {name}") if value_type in TIMES else text


def _microseconds(at: datetime) -> int:
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * _US + since.microseconds
