"""What the oracle says of the candidates of one example: the three groups, each in its order, each cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from featurestore.sql.candidates import IN_PLAY, LATER, PASSED, candidate_columns
from tests.pit import oracle

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.candidates import KeyValue
    from tests.pit.oracle import Row


def expected(
    use: ViewUse, example: tuple[list[KeyValue], datetime, int], tables: dict[str, list[Row]]
) -> list[tuple[Any, ...]]:
    """Rows as `candidates_plan` has them; times are microseconds since 1970."""
    keys, moment, limit = example
    view, at = use.view, oracle.instant(moment)
    wanted = {key.name: int(key.text) if key.type == "int64" else key.text for key in keys}
    own = tuple(wanted[name] for name in use.spine_keys)
    groups: dict[int, list[Row]] = {IN_PLAY: [], PASSED: [], LATER: []}
    for row in tables[view.name]:
        if oracle.is_same_key(view, row, own):
            groups[_group(view, row, at)].append(row)
    made = []
    for group, rows in groups.items():
        ordered = _newest_first(view, rows)
        if group == LATER:
            ordered.sort(key=lambda row: (_usable(view, row) is None, _usable(view, row) or 0))
        first = ordered[: limit + (group == IN_PLAY)]
        made += [(group, len(rows), *_times(view, row), *_columns(use, row)) for row in first]
    return made


def _group(view: FeatureView, row: Row, at: int) -> int:
    if not oracle.is_visible(view, row, at):
        return LATER
    return IN_PLAY if oracle.is_alive(view, row, at) and oracle.is_valid(view, row, at) else PASSED


def _newest_first(view: FeatureView, rows: list[Row]) -> list[Row]:
    """By taking the newest away again and again (P4); rows without an event time come last."""
    rest = [row for row in rows if row[view.event_time.name] is not None]
    undated = [row for row in rows if row[view.event_time.name] is None]
    ordered = []
    while rest:
        newest = oracle.newest_of(view, rest)
        ordered.append(newest)
        rest = [row for row in rest if row is not newest]
    return ordered + undated


def _usable(view: FeatureView, row: Row) -> int | None:
    event = oracle.instant(row[view.event_time.name])
    if event is None:
        return None
    created = oracle.instant(row[view.created_at.name]) if view.created_at is not None else None
    if view.as_of == "event":
        return event + view.delay_us
    return None if created is None else max(event + view.delay_us, created)


def _times(view: FeatureView, row: Row) -> tuple[int | None, ...]:
    created = oracle.instant(row[view.created_at.name]) if view.created_at is not None else None
    ends = oracle.instant(row[view.valid_to.name]) if view.valid_to is not None else None
    return (oracle.instant(row[view.event_time.name]), created, _usable(view, row), ends)


def _columns(use: ViewUse, row: Row) -> tuple[Any, ...]:
    features = [feature.name for feature in use.view.features]
    return tuple(row[name] for name in candidate_columns(use.view, features))
