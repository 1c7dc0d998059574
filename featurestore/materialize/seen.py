"""What the data holds, asked before it is copied: how many rows, and how far they reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from featurestore.sql.newest import watermark_query

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.newest import SyncWindow
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the data holds in a window.

    Attributes:
        rows: how many.
        event_time: greatest one, UTC; None without rows.
        created_time: greatest one, UTC; None without rows or created times.
    """

    rows: int
    event_time: datetime | None
    created_time: datetime | None

    def has_all_of(self, before: Seen) -> bool:
        """Whether nothing is seen to be gone since `before`; that rows came meanwhile is no matter."""
        return self.rows >= before.rows and all(
            then is None or (now is not None and now >= then)
            for now, then in (
                (self.event_time, before.event_time),
                (self.created_time, before.created_time),
            )
        )


def seen_in(view: FeatureView, window: SyncWindow, warehouse: Warehouse) -> Seen:
    """Ask how many rows a window holds and how far they reach. Raises QueryError as the warehouse does."""
    batches = warehouse.read(watermark_query(view, window, dialect=warehouse.dialect))
    (row,) = batches.read_all().to_pylist()
    return Seen(rows=row["rows"], event_time=_utc(row["__event_time"]), created_time=_utc(row["__created_time"]))


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=timezone.utc)
