"""The ends of online keys: what identifies each requested entity, without what its view's keys begin with.

Equal entities are one; views with the same join keys share the work. A NULL join key matches nothing (SEMANTICS P2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from featurestore.definitions.types import INTEGERS
from featurestore.errors import UsageError
from featurestore.online.keys import entity_key, integer_ends, key_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column
    from featurestore.serving.entities import Entities

_MAX_KEY_BITS = 128
_Row = TypeVar("_Row")
_Key = TypeVar("_Key", int, bytes)


@dataclass(frozen=True, slots=True)
class KeyEnds:
    """The distinct entities of a request, for views with the same join keys.

    Attributes:
        ends: the end of each one's key; those with a NULL join key are left out.
        places: for each requested entity, its place among `ends`, None where a join key is NULL; None where all
            entities are distinct and have keys.
    """

    ends: Sequence[bytes]
    places: Sequence[int | None] | None = None

    def spread(self, rows: Sequence[_Row | None]) -> Sequence[_Row | None]:
        """Turn one row per distinct entity into one per requested entity; None for one without a key."""
        if self.places is None:
            return rows
        return [None if place is None else rows[place] for place in self.places]


def key_ends(keys: Sequence[Column], entities: Entities) -> KeyEnds:
    """Write the key ends of the requested entities, each once.

    Args:
        keys: the request's column and the declared type of each join key.
        entities: the values.

    Raises:
        UsageError: a value is not of its key's type; names the entity, the key, the type and what was got.
    """
    if len(keys) == 1 and keys[0].type in INTEGERS:
        numbers = _integers(entities.columns[keys[0].name])
        if numbers is not None:
            distinct, places = _distinct(numbers)
            return KeyEnds(integer_ends(distinct), places)
    ends = _ends(keys, entities)
    return KeyEnds(*(_distinct(cast("Sequence[bytes]", ends)) if None not in ends else _with_gaps(ends)))


def _distinct(items: Sequence[_Key]) -> tuple[Sequence[_Key], Sequence[int] | None]:
    """Leave out what was there before; where each item is then, None if all were distinct."""
    if len(set(items)) == len(items):
        return items, None
    places = {item: place for place, item in enumerate(dict.fromkeys(items))}
    return list(places), [places[item] for item in items]


def _with_gaps(ends: Sequence[bytes | None]) -> tuple[Sequence[bytes], Sequence[int | None]]:
    places = {end: place for place, end in enumerate(dict.fromkeys(end for end in ends if end is not None))}
    return list(places), [None if end is None else places[end] for end in ends]


def _ends(keys: Sequence[Column], entities: Entities) -> Sequence[bytes | None]:
    if not keys:
        return [entity_key(b"", ())] * entities.count
    columns = [_texts(entities.columns[key.name], key) for key in keys]
    return [None if None in texts else _end(texts, row) for row, texts in enumerate(zip(*columns, strict=True))]


def _integers(values: Sequence[object]) -> Sequence[int] | None:
    """Return the values if all are plain integers that a key can hold; None if not."""
    if set(map(type, values)) != {int}:
        return None
    numbers = cast("Sequence[int]", values)
    return numbers if max(map(int.bit_length, numbers)) <= _MAX_KEY_BITS else None


def _texts(values: Sequence[object], key: Column) -> Sequence[str | None]:
    if key.type == "string" and set(map(type, values)) == {str}:
        return cast("Sequence[str]", values)
    texts: list[str | None] = []
    for row, value in enumerate(values):
        try:
            texts.append(key_text(value, key))
        except UsageError as problem:
            raise UsageError(problem.what, where=f"entity_rows[{row}]: {problem.where}", hint=problem.hint) from None
    return texts


def _end(texts: Sequence[str | None], row: int) -> bytes:
    try:
        return entity_key(b"", cast("Sequence[str]", texts))
    except UsageError as problem:
        raise UsageError(problem.what, where=f"entity_rows[{row}]", hint=problem.hint) from None
