"""Rows at the time of a request: which are there, and the columns of those that are.

The rules: a row is absent when its validity ended at or before that time (SEMANTICS P9), and too old when its event
time is before that time less the ttl (P3); the values of both are null (O3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from featurestore.online.codec import EVENT_TIME

if TYPE_CHECKING:
    from featurestore.serving.plan import PlannedUse

Row = list[object]
Status = Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
PRESENT: Status = "PRESENT"
NULL_VALUE: Status = "NULL_VALUE"
NOT_FOUND: Status = "NOT_FOUND"
OUTSIDE_MAX_AGE: Status = "OUTSIDE_MAX_AGE"


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Rows of one use of a view, by column, one item per requested entity.

    Attributes:
        columns: stored cells; all None for a row that is not PRESENT.
        statuses: of each row; None where all are PRESENT.
        event_us: event times, microseconds since 1970; None where there was no row.
    """

    columns: Sequence[Sequence[object]]
    statuses: Sequence[Status] | None
    event_us: Sequence[int | None]


def judge(use: PlannedUse, rows: Sequence[Row | None], now_us: int) -> JudgedRows:
    """Judge rows, in the view's layout, at a time in microseconds since 1970."""
    if rows and use.valid_to is None and None not in rows:
        columns = list(zip(*cast("Sequence[Row]", rows), strict=True))
        event_us = cast("Sequence[int]", columns[EVENT_TIME])
        if use.ttl_us is None or now_us - min(event_us) <= use.ttl_us:
            return JudgedRows(columns, None, event_us)
    return _judge_each(use, rows, now_us)


def _judge_each(use: PlannedUse, rows: Sequence[Row | None], now_us: int) -> JudgedRows:
    blank: Row = [None] * use.reader.width
    statuses = [_status(use, row, now_us) for row in rows]
    event_us = [
        None if row is None or status == NOT_FOUND else cast("int", row[EVENT_TIME])
        for row, status in zip(rows, statuses, strict=True)
    ]
    shown = [
        row if row is not None and status == PRESENT else blank for row, status in zip(rows, statuses, strict=True)
    ]
    columns = list(zip(*shown, strict=True)) or [()] * len(blank)
    return JudgedRows(columns, statuses, event_us)


def _status(use: PlannedUse, row: Row | None, now_us: int) -> Status:
    if row is None:
        return NOT_FOUND
    if use.valid_to is not None:
        valid_to = row[use.valid_to]
        if isinstance(valid_to, int) and valid_to * use.valid_to_us <= now_us:
            return NOT_FOUND
    event_us = row[EVENT_TIME]
    assert isinstance(event_us, int), row[:3]
    return OUTSIDE_MAX_AGE if use.ttl_us is not None and now_us - event_us > use.ttl_us else PRESENT
