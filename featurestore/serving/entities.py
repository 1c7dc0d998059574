"""The entities of a request, as rows or as columns, checked against the join keys it needs (SEMANTICS O4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass

from featurestore.errors import UsageError, unknown_name
from featurestore.online.keys import is_numpy_scalar, without_numpy

EntityRows = Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]
_FORMS = 'write entity_rows=[{"customer_id": 1}, ...] or {"customer_id": [1, ...]}; for a frame, df.to_dict("records")'


@dataclass(frozen=True, slots=True)
class Entities:
    """The requested entities, in order, duplicates kept.

    Attributes:
        columns: the values of each join key, as given; numpy's scalars as plain Python values.
        count: how many entities.
    """

    columns: dict[str, list[object]]
    count: int


def read_entities(entity_rows: EntityRows, join_keys: Sequence[str]) -> Entities:
    """Bring entity rows into columns.

    Args:
        entity_rows: one mapping per entity, or one list of values per join key.
        join_keys: what each entity must have, and all it may have.

    Raises:
        UsageError: a join key is missing or unknown, columns differ in length, or neither form was given.
    """
    if type(entity_rows) is list:
        return _from_rows(entity_rows, join_keys)
    if type(entity_rows) is dict and len(entity_rows) == len(join_keys) == 1:
        values = entity_rows.get(join_keys[0])  # the most frequent question, by a shorter way to the same answer
        if type(values) is list:
            return Entities({join_keys[0]: _plain(values[:])}, len(values))
    if isinstance(entity_rows, Mapping):
        return _from_columns(entity_rows, join_keys)
    if isinstance(entity_rows, (str, bytes)) or not isinstance(entity_rows, Iterable):
        raise UsageError(f"expected entity rows, got {entity_rows!r}", where="entity_rows", hint=_FORMS)
    return _from_rows(list(entity_rows), join_keys)


def _from_rows(rows: list[Mapping[str, object]], join_keys: Sequence[str]) -> Entities:
    if not (set(map(type, rows)) == {dict} and set(map(len, rows)) == {len(join_keys)}):
        _check_rows(rows, join_keys)
    try:
        columns = {key: _plain([row[key] for row in rows]) for key in join_keys}
    except KeyError:
        _check_rows(rows, join_keys)
        raise
    return Entities(columns, len(rows))


def _check_rows(rows: list[Mapping[str, object]], join_keys: Sequence[str]) -> None:
    wanted = set(join_keys)
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise UsageError(f"expected a mapping, got {row!r}", where=f"entity_rows[{index}]", hint=_FORMS)
        if row.keys() != wanted:
            _refuse(row, join_keys, where=f"entity_rows[{index}]")


def _from_columns(columns: Mapping[str, Sequence[object]], join_keys: Sequence[str]) -> Entities:
    if columns.keys() != set(join_keys):
        _refuse(columns, join_keys, where="entity_rows")
    for key, values in columns.items():
        if isinstance(values, (str, bytes)) or not (isinstance(values, Iterable) and isinstance(values, Sized)):
            raise UsageError(f"expected a list of values, got {values!r}", where=f"entity_rows['{key}']", hint=_FORMS)
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise UsageError(f"the columns differ in length: {got}", where="entity_rows", hint="give each entity all keys")
    # Without join keys there is nothing to count: one question, one answer (P10).
    return Entities({key: _plain(list(columns[key])) for key in join_keys}, next(iter(lengths.values()), 1))


def _plain(values: list[object]) -> list[object]:
    if any(map(is_numpy_scalar, set(map(type, values)))):
        return list(map(without_numpy, values))
    return values


def _refuse(got: Mapping[str, object], join_keys: Sequence[str], *, where: str) -> None:
    for key in join_keys:
        if key not in got:
            names = ", ".join(str(name) for name in got) or "nothing"
            raise UsageError(
                f"missing join key '{key}'",
                where=where,
                hint=f"the features asked for need {', '.join(join_keys)}; got {names}",
            )
    unknown = next(name for name in got if name not in join_keys)
    raise unknown_name("join key", str(unknown), join_keys, place=f"the features asked for ({where})")
