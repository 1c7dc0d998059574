"""Which rows a sync reads: all, a range, or what is new since the watermark (SEMANTICS O5, O6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.durations import DAY
from featurestore.errors import UsageError
from featurestore.online.state import is_current, is_redefined
from featurestore.sql.newest import SyncWindow

if TYPE_CHECKING:
    from featurestore.definitions.views import Column, FeatureView
    from featurestore.online.state import ViewState, Watermark

_EARLIEST = datetime(1, 1, 1, tzinfo=timezone.utc)
Mode = Literal["full", "range", "incremental", "rebuild"]
DEFAULT_LOOKBACK_US = DAY
"""How far an incremental sync reads back in a view that has neither a created time nor a `lookback`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What the user asked for.

    Attributes:
        start, end: bounds on event time, both inclusive, UTC; an end in the future is clamped to now.
        full: read all rows even if there is a watermark, and look for keys that vanished.
        rebuild: read all rows into a new set, which readers use when it is whole.
        wait_s: how long to wait for another sync of the same view.
        workers: how many threads write.
        build: names what last wrote the model, so that a sync that was killed does not go on after another; empty where
            nobody knows.
    """

    start: datetime | None = None
    end: datetime | None = None
    full: bool = False
    rebuild: bool = False
    wait_s: float = 0.0
    workers: int = 1
    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The rows to read, and why."""

    mode: Mode
    rows: SyncWindow


def choose_window(view: FeatureView, request: SyncRequest, state: ViewState, now: datetime) -> Window:
    """Choose the rows to read, and the way to write them.

    Raises:
        UsageError: start is after end, a start is given with `full` or `rebuild`, or for a view that was redefined.
    """
    end = choose_end(request, now)
    if request.start is not None:
        if is_redefined(state, view):
            raise UsageError(
                "what its rows mean has changed since its last sync, so a range of them would not match the others",
                where=f"feature view {view.reference}",
                hint="sync it without a start first",
            )
        return Window(mode="range", rows=SyncWindow(start=request.start, end=end))
    if request.rebuild or is_redefined(state, view):
        return Window(mode="rebuild", rows=SyncWindow(end=end))
    watermark = state.watermark
    if request.full or watermark is None or not is_current(state, view):
        return Window(mode="full", rows=SyncWindow(end=end))
    return Window(
        mode="incremental",
        rows=SyncWindow(
            end=end,
            after_event=_before(watermark.event_time, view.event_time) - timedelta(microseconds=_lookback_us(view)),
            after_created=_after_created(view, watermark),
        ),
    )


def choose_end(request: SyncRequest, now: datetime) -> datetime:
    """Check the bounds and return the end, never beyond now. Raises UsageError as `choose_window` does."""
    end = now if request.end is None else min(request.end, now)
    if request.start is not None and (request.full or request.rebuild):
        option = "--full" if request.full else "--rebuild"
        raise UsageError(f"{option} reads everything up to the end, so it takes no start", hint="leave one of them out")
    if request.start is not None and request.start > end:
        until = f"end {end:%Y-%m-%dT%H:%M:%SZ}" if end == request.end else f"now, {end:%Y-%m-%dT%H:%M:%SZ}"
        raise UsageError(f"start {request.start:%Y-%m-%dT%H:%M:%SZ} is after {until}")
    return end


def _after_created(view: FeatureView, watermark: Watermark) -> datetime | None:
    if view.created_at is None:
        return None
    # Where no row had a created time, every row that has one is new.
    return _EARLIEST if watermark.created_time is None else _before(watermark.created_time, view.created_at)


def _before(moment: datetime, column: Column) -> datetime:
    """Where "beyond" begins: of the same date, rows may still come."""
    return moment - timedelta(microseconds=1) if column.type == "date" else moment


def _lookback_us(view: FeatureView) -> int:
    if view.lookback_us is not None:
        return view.lookback_us
    return 0 if view.created_at is not None else DEFAULT_LOOKBACK_US


def utc_now() -> datetime:
    """The current time, UTC."""
    return datetime.now(timezone.utc)
