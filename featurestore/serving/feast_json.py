"""An answer as the JSON of Feast's feature server, written straight to bytes.

Shape: ``{"metadata": {"feature_names": [...]}, "results": [{"values", "statuses", "event_timestamps"}, ...]}``, one
result per column, entities first. The rule: statuses and times of a view's rows are written once for all its columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import msgspec

from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.online.codec import instant
from featurestore.online.json_values import iso, json_value
from featurestore.serving.columns import statuses_of, values_of
from featurestore.serving.judged import PRESENT, Status

if TYPE_CHECKING:
    from featurestore.serving.columns import Columns
    from featurestore.serving.plan import PlannedOutput

_NO_TIME = "1970-01-01T00:00:00Z"  # what Feast answers where there is no event time
_TIMES_KEPT = 65_536
_ALIKE_IN_JSON = INTEGERS | {"string", "boolean"}
_JSON_TYPES = frozenset((int, str, bool, type(None)))
_encode = msgspec.json.Encoder().encode


class _Result(msgspec.Struct):
    values: Sequence[object]
    statuses: msgspec.Raw | Sequence[Status]
    event_timestamps: msgspec.Raw


class ViewVersion(msgspec.Struct, omit_defaults=True):
    """A view of an answer, and its version as Feast counts them; 0, which is not written, has none or no number."""

    name: str
    version: int = 0


class _Metadata(msgspec.Struct, omit_defaults=True):
    feature_names: list[str]
    feature_types: list[str] | None = None
    entity_count: int | None = None
    feature_view_metadata: list[ViewVersion] | None = None


class _Answer(msgspec.Struct):
    metadata: _Metadata
    results: list[_Result]


def feast_json(
    entities: Columns,
    features: Columns,
    *,
    has_types: bool = False,
    views: list[ViewVersion] | None = None,
    with_nulls: set[int] | None = None,
) -> bytes:
    """Write the columns of an answer.

    Args:
        entities: the join keys.
        features: what was found.
        has_types: tell each column's type, and how many are join keys: what `RemoteClient` asks for.
        views: told too, where somebody asked for them.
        with_nulls: gets the index of each use of a view that has a null among the features.

    Returns:
        UTF-8 JSON; values as `json_value` says, event times ISO with Z, 1970 where there was no row.
    """
    results = [*_given(entities), *_found(features, set() if with_nulls is None else with_nulls)]
    metadata = _Metadata([*entities.names, *features.names], feature_view_metadata=views)
    if has_types:
        metadata.feature_types = [output.type for output in (*entities.outputs, *features.outputs)]
        metadata.entity_count = len(entities.outputs)
    return _encode(_Answer(metadata, results))


def _given(columns: Columns) -> list[_Result]:
    """The join keys, whose values may be of any type."""
    results = []
    for output in columns.outputs:
        rows = columns.rows[output.use]
        values = rows.columns[output.cell]
        if not _JSON_TYPES.issuperset(map(type, values)):
            values = list(map(json_value, values))
        results.append(_Result(values, statuses_of(output, rows), _times(rows.event_us)))
    return results


def _found(columns: Columns, with_nulls: set[int]) -> list[_Result]:
    """The features; one loop, since an answer may have hundreds of columns."""
    times = [_times(rows.event_us) for rows in columns.rows]
    results = []
    for output in columns.outputs:
        use, rows = output.use, columns.rows[output.use]
        cells = rows.columns[output.cell]
        has_null = None in cells
        if has_null:
            with_nulls.add(use)
        is_whole = not has_null and rows.statuses is None
        statuses = _all_present(len(cells)) if is_whole else statuses_of(output, rows)
        if not _are_json(output, cells, has_null=has_null):
            cells = list(map(json_value, values_of(output, rows)))
        results.append(_Result(cells, statuses, times[use]))
    return results


def _are_json(output: PlannedOutput, cells: Sequence[object], *, has_null: bool) -> bool:
    """Whether JSON holds these cells as they are. NaN and infinities it does not: then their sum is none, either."""
    if output.convert is not None:
        return False
    if output.type in _ALIKE_IN_JSON:
        return True
    if output.type not in FLOATS:
        return False
    numbers = cast("Sequence[float]", [cell for cell in cells if cell is not None] if has_null else cells)
    return math.isfinite(sum(numbers))


@lru_cache(maxsize=1_024)
def _all_present(count: int) -> msgspec.Raw:
    return msgspec.Raw(_encode([PRESENT] * count))


def _times(event_us: Sequence[int | None]) -> msgspec.Raw:
    texts = '","'.join(map(_time, event_us))
    return msgspec.Raw(f'["{texts}"]'.encode() if event_us else b"[]")


@lru_cache(maxsize=_TIMES_KEPT)
def _time(us: int | None) -> str:
    return _NO_TIME if us is None else iso(instant(us))
