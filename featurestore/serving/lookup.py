"""Carry out a lookup plan: keys of all entities, one read, one judgement per row, columns in request order.

The rules: SEMANTICS O3 (statuses), O4 (order and duplicates), O9 (layouts); at a time T a row is absent when its
validity ended at or before T (P9) and too old when its event time is before ``T - ttl`` (P3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.online.codec import EVENT_TIME, HEADER_CELLS, RowDecoder
from featurestore.online.keys import entity_key, key_text
from featurestore.serving.response import (
    NOT_FOUND,
    NULL_VALUE,
    OUTSIDE_MAX_AGE,
    PRESENT,
    FeatureColumn,
    OnlineResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.serving.entities import Entities
    from featurestore.serving.plan import LookupPlan, PlannedOutput, PlannedUse
    from featurestore.serving.response import Status

    Read = Callable[[Sequence[bytes]], Sequence[bytes | None]]

_DECODER = RowDecoder()


@dataclass(frozen=True, slots=True)
class _Judged:
    """One entity's row of one view at the time of the request; the view's columns only when PRESENT."""

    status: Status
    event_us: int | None = None
    columns: Sequence[object] = ()


_ABSENT = _Judged(NOT_FOUND)


def look_up(plan: LookupPlan, entities: Entities, read: Read, *, now_us: int) -> OnlineResponse:
    """Answer a request.

    Args:
        plan: what to look up.
        entities: for whom; in the plan's `entity_columns`.
        read: reads rows by key, like `OnlineStore.read`.
        now_us: the time at which ages and validity are judged, microseconds since 1970.

    Raises:
        UsageError: a key value that is not of its type; names key, type, value and entity.
        OnlineStoreError: the store cannot be reached.
    """
    keys = [_keys(use, entities) for use in plan.uses]
    wanted = list({key: None for column in keys for key in column if key is not None})
    rows = dict(zip(wanted, read(wanted), strict=True)) if wanted else {}
    judged = [_judge_all(use, column, rows, now_us) for use, column in zip(plan.uses, keys, strict=True)]
    return OnlineResponse(
        entity_columns=tuple(
            _entity_column(column.name, column.type, entities.columns[column.name]) for column in plan.entity_columns
        ),
        feature_columns=tuple(_feature_column(output, judged[output.use]) for output in plan.outputs),
        count=entities.count,
    )


def _keys(use: PlannedUse, entities: Entities) -> list[bytes | None]:
    """Build the key of each entity; None where a join key is NULL, which matches nothing (P2)."""
    if not use.keys:
        return [entity_key(use.prefix, ())] * entities.count
    keys: list[bytes | None] = []
    columns = [entities.columns[key.name] for key in use.keys]
    for index, values in enumerate(zip(*columns, strict=True)):
        try:
            texts = [key_text(value, key) for value, key in zip(values, use.keys, strict=True)]
        except UsageError as problem:
            raise UsageError(problem.what, where=f"entity_rows[{index}]: {problem.where}", hint=problem.hint) from None
        known = [text for text in texts if text is not None]
        keys.append(entity_key(use.prefix, known) if len(known) == len(texts) else None)
    return keys


def _judge_all(
    use: PlannedUse, keys: Sequence[bytes | None], rows: dict[bytes, bytes | None], now_us: int
) -> list[_Judged]:
    judged = {key: _judge(use, rows[key], now_us) for key in dict.fromkeys(keys) if key is not None}
    return [_ABSENT if key is None else judged[key] for key in keys]


def _judge(use: PlannedUse, value: bytes | None, now_us: int) -> _Judged:
    if value is None:
        return _ABSENT
    cells = _DECODER.cells(value)
    if len(cells) == HEADER_CELLS:
        return _ABSENT
    event_us = cells[EVENT_TIME]
    assert isinstance(event_us, int), value[:26].hex()
    columns = use.layouts.columns(cells)
    if columns is None or _has_ended(use, columns, now_us):
        return _ABSENT
    if use.ttl_us is not None and now_us - event_us > use.ttl_us:
        return _Judged(OUTSIDE_MAX_AGE, event_us)
    return _Judged(PRESENT, event_us, columns)


def _has_ended(use: PlannedUse, columns: Sequence[object], now_us: int) -> bool:
    """Say whether the row's validity ended at or before now (P9)."""
    if use.valid_to is None:
        return False
    valid_to = columns[use.valid_to]
    return isinstance(valid_to, int) and valid_to * use.valid_to_us <= now_us


def _feature_column(output: PlannedOutput, judged: Sequence[_Judged]) -> FeatureColumn:
    convert, column = output.convert, output.column
    values: list[object] = []
    statuses: list[Status] = []
    for row in judged:
        value = row.columns[column] if row.columns else None
        statuses.append(NULL_VALUE if value is None and row.status == PRESENT else row.status)
        values.append(value if convert is None or value is None else convert(value))
    return FeatureColumn(
        name=output.name,
        type=output.type,
        values=values,
        statuses=statuses,
        event_us=[row.event_us for row in judged],
    )


def _entity_column(name: str, value_type: str, values: list[object]) -> FeatureColumn:
    statuses: list[Status] = [NULL_VALUE if value is None else PRESENT for value in values]
    return FeatureColumn(name=name, type=value_type, values=values, statuses=statuses, event_us=[None] * len(values))
