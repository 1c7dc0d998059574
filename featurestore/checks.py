"""Run the data check of each view (`sql.checks`) and say what it found in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from featurestore.errors import QueryError
from featurestore.sql.checks import check_query, identity_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from featurestore.definitions.views import FeatureView
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCheck:
    """What the data of one view is like.

    Attributes:
        view: its reference.
        rows: how many it has; None when it could not be read.
        problems: what is wrong, one sentence each; empty when all is well.
    """

    view: str
    rows: int | None
    problems: tuple[str, ...]


def check_views(views: Iterable[FeatureView], warehouse: Warehouse) -> Iterator[ViewCheck]:
    """Check each view's data in the warehouse, one query per view.

    Raises:
        WarehouseError: the warehouse cannot be reached.
    """
    now = datetime.now(timezone.utc)
    for view in views:
        try:
            batches = warehouse.read(check_query(view, now, dialect=warehouse.dialect))
            (counts,) = batches.read_all().to_pylist()
        except QueryError as error:
            yield ViewCheck(view=view.reference, rows=None, problems=(f"cannot be read: {error.what}",))
            continue
        yield ViewCheck(view=view.reference, rows=counts["rows"], problems=tuple(_problems(view, counts)))


def _problems(view: FeatureView, counts: dict[str, int]) -> Iterator[str]:
    keys = ", ".join(key.name for key in view.join_keys)
    event_time = view.event_time.name
    if counts["null_keys"]:
        yield f"{_rows(counts['null_keys'])} with a NULL key ({keys}), which no example matches"
    if counts["null_event_time"]:
        yield f"{_rows(counts['null_event_time'])} without an event time ({event_time}), never used"
    if counts["future"]:
        yield f"{_rows(counts['future'])} with an event time ({event_time}) in the future"
    if counts["duplicates"]:
        identity = ", ".join(identity_columns(view))
        yield f"{_rows(counts['duplicates'])} with the same ({identity}) as another one"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
