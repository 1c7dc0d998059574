"""What the rules of time say, by nested loops: every example against every feature row.

Written from SEMANTICS.md alone (rules P1-P10, P16, P17, O5), without SQL and without a line of `featurestore.sql`:
if the two agree, they agree for different reasons. Rows are mappings from column to value; a time is a datetime,
a date, or an int of microseconds since 1970, UTC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from featurestore.definitions.types import is_orderable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import AsOf, FeatureView


Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

NOT_FOUND = "NOT_FOUND"
NULL_VALUE = "NULL_VALUE"
OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"
PRESENT = "PRESENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the oracle.

    Attributes:
        spine: names the time column and the columns that are repeated.
        selection: the view uses and output columns.
        as_of: the request's own `as_of`, which wins over every view's (P8).
        event_timestamps: whether each use adds its event time and `found` at the end (P6).
    """

    spine: Spine
    selection: Selection
    as_of: AsOf | None = None
    event_timestamps: bool = False


def instant(value: datetime | date | int | None) -> int | None:
    """Microseconds since 1970; a naive time is UTC, a date is its midnight in UTC (P14)."""
    if value is None or type(value) is int:
        return value
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
    return (aware - EPOCH) // MICROSECOND


def training_set(
    question: Question, examples: Iterable[Row], tables: Mapping[str, Sequence[Row]]
) -> list[tuple[Any, ...]]:
    """Answer for every example, in their order (P1): its own columns, the features, then times and `found` if asked.

    Args:
        question: what is asked.
        examples: rows of the spine.
        tables: rows of each view, by ``view.reference``.
    """
    answer = []
    for example in examples:
        at = instant(example[question.spine.column(question.spine.time).name])
        seen = {}
        for use in question.selection.uses:
            keys = tuple(example[question.spine.column(key).name] for key in use.spine_keys)
            seen[id(use)] = seen_at(use.view, tables[use.view.reference], keys, at, as_of=question.as_of)
        columns = [example[name] for name in question.spine.output_columns]
        columns += [_value(seen[id(output.use)], output.feature.name) for output in question.selection.outputs]
        if question.event_timestamps:
            for use in question.selection.uses:
                columns += _evidence(use, seen[id(use)])
        answer.append(tuple(columns))
    return answer


def seen_at(
    view: FeatureView, rows: Iterable[Row], keys: tuple[Any, ...], at: int | None, *, as_of: AsOf | None = None
) -> Row | None:
    """Return the row of the view that an example with these keys sees at that instant (P2-P10), if any."""
    matches = [
        row
        for row in rows
        if is_same_key(view, row, keys)
        and is_visible(view, row, at, as_of=as_of)
        and is_alive(view, row, at)
        and is_valid(view, row, at)
    ]
    return newest_of(view, matches)


def is_same_key(view: FeatureView, row: Row, keys: tuple[Any, ...]) -> bool:
    """P2: every pair is equal and none is NULL. P10: without keys all rows match."""
    return all(
        mine is not None and theirs is not None and mine == theirs
        for mine, theirs in zip((row[key.name] for key in view.join_keys), keys, strict=True)
    )


def is_visible(view: FeatureView, row: Row, at: int | None, *, as_of: AsOf | None = None) -> bool:
    """P2, P7, P8: the row had happened (and, as of knowledge, was loaded) by then."""
    usable_from = instant(row[view.event_time.name])
    if at is None or usable_from is None:
        return False
    usable_from += view.delay_us
    if (as_of or view.as_of) == "knowledge":
        created = instant(row[view.created_at.name]) if view.created_at is not None else None
        if created is None:
            return False
        usable_from = max(usable_from, created)
    return usable_from < at if view.boundary == "exclusive" else usable_from <= at


def is_alive(view: FeatureView, row: Row, at: int) -> bool:
    """P3: not older than the ttl, counted from the event time, both ends included."""
    return view.ttl_us is None or instant(row[view.event_time.name]) >= at - view.ttl_us


def is_valid(view: FeatureView, row: Row, at: int) -> bool:
    """P9: before the end of the row's validity; NULL is still valid."""
    return at < _end_of_validity(view, row)


def newest_of(view: FeatureView, rows: Sequence[Row]) -> Row | None:
    """P4: the greatest event time, then created time (NULL lowest), then tie-breakers, then features.

    Rows that differ in nothing else but their validity: the one that lasts longest.
    """
    if len(rows) < 2:
        return rows[0] if rows else None
    ties = [*view.tie_breakers, *(feature.name for feature in view.features if is_orderable(feature.type))]

    def rank(row: Row) -> tuple[Any, ...]:
        created = instant(row[view.created_at.name]) if view.created_at is not None else None
        return (
            instant(row[view.event_time.name]),
            *_nulls_lowest(created),
            *(part for name in ties for part in _nulls_lowest(row[name])),
            _end_of_validity(view, row),
        )

    return max(rows, key=rank)


def newest_rows(
    view: FeatureView, rows: Iterable[Row], end: int, *, start: int | None = None
) -> dict[tuple[Any, ...], Row]:
    """O5: per key, the newest row by P4 among those with an event time in the range and usable at its end.

    A key with a NULL part is no key (P2). A row whose validity is over counts only where no valid one is left (P17).
    """
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        keys = tuple(row[key.name] for key in view.join_keys)
        if None in keys or not is_visible(view, row, end):
            continue
        if start is None or instant(row[view.event_time.name]) >= start:
            by_key.setdefault(keys, []).append(row)
    newest = {}
    for keys, candidates in by_key.items():
        valid = [row for row in candidates if is_valid(view, row, end)]
        newest[keys] = newest_of(view, valid or candidates)
    return newest


def snapshot(view: FeatureView, rows: Sequence[Row], at: int) -> dict[tuple[Any, ...], Row | None]:
    """P16 ``at=T``: what a spine of all distinct keys at T sees; a view without entity has one key, the empty one."""
    keys = {tuple(row[key.name] for key in view.join_keys) for row in rows} if view.join_keys else {()}
    return {key: seen_at(view, rows, key, at) for key in keys if None not in key}


def rows_between(view: FeatureView, rows: Iterable[Row], start: int, end: int) -> list[Row]:
    """P16 ``start``/``end``: every row with an event time in the range, both ends included."""
    return [row for row in rows if (event := instant(row[view.event_time.name])) is not None and start <= event <= end]


def online_status(view: FeatureView, stored: Row | None, feature: str, now: int) -> tuple[Any, str]:
    """P17, O3: value and status of one feature of the stored row, read at `now`."""
    if stored is None or not is_valid(view, stored, now):
        return None, NOT_FOUND
    if not is_alive(view, stored, now):
        return None, OUTSIDE_MAX_AGE
    return stored[feature], NULL_VALUE if stored[feature] is None else PRESENT


def _end_of_validity(view: FeatureView, row: Row) -> float:
    end = instant(row[view.valid_to.name]) if view.valid_to is not None else None
    return math.inf if end is None else end


def _nulls_lowest(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _value(row: Row | None, feature: str) -> Any:
    return None if row is None else row[feature]


def _evidence(use: ViewUse, row: Row | None) -> list[Any]:
    return [None if row is None else instant(row[use.view.event_time.name]), row is not None]
