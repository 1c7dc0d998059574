"""Which rows a sync reads: all, a range, or what is new since the watermark (SEMANTICS O5, O6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.durations import DAY
from featurestore.errors import UsageError
from featurestore.sql.newest import SyncWindow

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.watermarks import Watermark

Mode = Literal["full", "range", "incremental"]
DEFAULT_LOOKBACK_US = DAY
"""How far an incremental sync reads back in a view that has neither a created time nor a `lookback`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What the user asked for.

    Attributes:
        start, end: bounds on event time, both inclusive, UTC; an end in the future is clamped to now.
        full: read all rows even if there is a watermark.
    """

    start: datetime | None = None
    end: datetime | None = None
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The rows to read, and why."""

    mode: Mode
    rows: SyncWindow


def choose_window(view: FeatureView, request: SyncRequest, watermark: Watermark | None, now: datetime) -> Window:
    """Choose the rows to read.

    Raises:
        UsageError: start is after end, or a start is given with `full`.
    """
    end = now if request.end is None else min(request.end, now)
    if request.start is not None:
        if request.full:
            raise UsageError(
                "--full reads everything up to the end, so it takes no start", hint="leave one of them out"
            )
        if request.start > end:
            raise UsageError(f"start {request.start:%Y-%m-%dT%H:%M:%SZ} is after end {end:%Y-%m-%dT%H:%M:%SZ}")
        return Window(mode="range", rows=SyncWindow(start=request.start, end=end))
    if request.full or watermark is None or watermark.fingerprint != view.fingerprint:
        return Window(mode="full", rows=SyncWindow(end=end))
    return Window(
        mode="incremental",
        rows=SyncWindow(
            end=end,
            after_event=watermark.event_time - timedelta(microseconds=_lookback_us(view)),
            after_created=watermark.created_time,
        ),
    )


def _lookback_us(view: FeatureView) -> int:
    if view.lookback_us is not None:
        return view.lookback_us
    return 0 if view.created_at is not None else DEFAULT_LOOKBACK_US


def utc_now() -> datetime:
    """The current time, UTC."""
    return datetime.now(timezone.utc)
