"""An answer as the JSON of Feast's feature server, written straight to bytes.

Shape: ``{"metadata": {"feature_names": [...]}, "results": [{"values", "statuses", "event_timestamps"}, ...]}``, one
result per column, entities first. The rule: statuses and times of a view's rows are written once for all its columns.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, cast

import msgspec

from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.online.codec import instant
from featurestore.serving.columns import statuses_of, values_of
from featurestore.serving.json_values import iso, json_value
from featurestore.serving.judged import PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.serving.columns import Columns
    from featurestore.serving.judged import JudgedRows
    from featurestore.serving.plan import PlannedOutput

_NO_TIME = "1970-01-01T00:00:00Z"  # what Feast answers where there is no event time
_TIMES_KEPT = 65_536
_ALIKE_IN_JSON = INTEGERS | {"string", "boolean"}
_JSON_TYPES = frozenset((int, str, bool, type(None)))
_encode = msgspec.json.Encoder().encode


class _Result(msgspec.Struct):
    values: object
    statuses: msgspec.Raw
    event_timestamps: msgspec.Raw


class _Metadata(msgspec.Struct):
    feature_names: list[str]


class _Answer(msgspec.Struct):
    metadata: _Metadata
    results: list[_Result]


def feast_json(entities: Columns, features: Columns, with_nulls: set[int] | None = None) -> bytes:
    """Write the columns of an answer.

    Args:
        entities: the join keys, values as given.
        features: the features.
        with_nulls: gets the index of each use of a view that has a null among the features, if it is not there already.

    Returns:
        UTF-8 JSON; values as `json_value` says, event times ISO with Z, 1970 where there was no row.
    """
    noted: set[int] = set() if with_nulls is None else with_nulls
    results = list(chain(_results(entities, set(), are_given=True), _results(features, noted, are_given=False)))
    return _encode(_Answer(_Metadata([*entities.names, *features.names]), results))


def _results(columns: Columns, with_nulls: set[int], *, are_given: bool) -> Iterator[_Result]:
    times: dict[int, msgspec.Raw] = {}
    for output in columns.outputs:
        use = output.use
        rows = columns.rows[use]
        if use not in times:
            times[use] = _times(rows.event_us)
        values = _given(output, rows) if are_given else _values(output, rows)
        yield _Result(values, _statuses(output, rows, with_nulls), times[use])


def _given(output: PlannedOutput, rows: JudgedRows) -> Sequence[object]:
    """The values of a join key, which may be of any type."""
    values = rows.columns[output.cell]
    return values if _JSON_TYPES.issuperset(map(type, values)) else list(map(json_value, values))


def _values(output: PlannedOutput, rows: JudgedRows) -> Sequence[object]:
    cells = rows.columns[output.cell]
    if output.convert is None:
        if output.type in _ALIKE_IN_JSON:
            return cells
        if output.type in FLOATS and _are_finite(cast("Sequence[float | None]", cells)):
            return cells
    return list(map(json_value, values_of(output, rows)))


def _are_finite(cells: Sequence[float | None]) -> bool:
    """Whether there is no NaN or infinity among numbers: then their sum is none. False when in doubt."""
    try:
        return math.isfinite(sum(cast("Sequence[float]", cells)))
    except TypeError:  # a None
        return all(cell is None or math.isfinite(cell) for cell in cells)


def _statuses(output: PlannedOutput, rows: JudgedRows, with_nulls: set[int]) -> msgspec.Raw:
    if None not in rows.columns[output.cell]:
        if rows.statuses is None:
            return _all_present(len(rows.event_us))
    else:
        with_nulls.add(output.use)
    return msgspec.Raw(_encode(statuses_of(output, rows)))


@lru_cache(maxsize=1_024)
def _all_present(count: int) -> msgspec.Raw:
    return msgspec.Raw(_encode([PRESENT] * count))


def _times(event_us: Sequence[int | None]) -> msgspec.Raw:
    texts = '","'.join(map(_time, event_us))
    return msgspec.Raw(f'["{texts}"]'.encode() if event_us else b"[]")


@lru_cache(maxsize=_TIMES_KEPT)
def _time(us: int | None) -> str:
    return _NO_TIME if us is None else iso(instant(us))
