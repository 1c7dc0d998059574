"""How streams are doing: what their workers say, how far their groups have come, what waits; and reading them again."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, UsageError
from featurestore.streams.dead_letters import is_here, read_letters
from featurestore.streams.offline.spooled import waiting_files
from featurestore.streams.places import chosen_streams, is_part
from featurestore.streams.status import read_statuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream
    from featurestore.streams.places import StreamPlaces
    from featurestore.streams.source import PartitionLag
    from featurestore.streams.status import WorkerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """One stream.

    Attributes:
        stream: its name.
        place: where it is.
        group: who reads it.
        views: references of the views that it feeds.
        lag: by partition; empty where the broker cannot be asked.
        waiting: messages that are not committed yet; None where the broker does not tell.
        problem: why the broker cannot be asked; empty if it could.
        workers: what they said, the newest first.
        offline: where its events are kept; empty for nowhere.
        waiting_files: batches in this machine's spool that wait for the warehouse.
        dead_letters: by reason, where they are in a folder of this machine; None where they are elsewhere.
        dead_letters_in: where they go; empty for our own folder.
    """

    stream: str
    place: str
    group: str
    views: tuple[str, ...]
    lag: tuple[PartitionLag, ...]
    waiting: int | None
    problem: str
    workers: tuple[WorkerStatus, ...]
    offline: str
    waiting_files: int
    dead_letters: dict[str, int] | None
    dead_letters_in: str = ""


def report_streams(places: StreamPlaces, names: Sequence[str]) -> tuple[StreamReport, ...]:
    """Report on streams.

    Args:
        places: where everything is.
        names: views or streams; empty for all.

    Raises:
        UsageError: an unknown name, or no stream feeds a view.
        OnlineStoreError: the online store, where workers say how they are doing, cannot be reached.
    """
    project, _ = places.project_of()
    with closing(places.open_store()) as store:
        return tuple(
            _report(
                places,
                project.stream(name),
                [view.reference for view in views],
                is_part=is_part(project, name, views),
                workers=read_statuses(store, name),
            )
            for name, views in chosen_streams(project, names).items()
        )


def replay(places: StreamPlaces, name: str, since: datetime | None) -> str:
    """Set a stream's group back; what was read before is read again, which the guard and the origins make harmless.

    Args:
        places: where everything is.
        name: of the stream, or of a view of it that is read alone.
        since: from which publishing time on; None from the beginning of what the broker has.

    Returns:
        The group.

    Raises:
        UsageError: an unknown name, or a worker of the group is running.
        StreamError: the broker cannot be reached.
    """
    project, _ = places.project_of()
    ((stream, views),) = chosen_streams(project, (name,)).items()
    only = [view.reference for view in views] if is_part(project, stream, views) else []
    group = places.group(stream, only)
    with closing(places.open_store()) as store:
        running = [each.worker for each in read_statuses(store, stream) if each.group == group and each.is_running]
    if running:
        raise UsageError(
            f"workers of {stream} are running: {', '.join(running)}", hint="stop them, replay, and start them again"
        )
    with closing(places.source(project.stream(stream), places.reader(project.stream(stream), only))) as source:
        source.rewind(since)
    return group


def _report(
    places: StreamPlaces, stream: Stream, views: Sequence[str], *, is_part: bool, workers: tuple[WorkerStatus, ...]
) -> StreamReport:
    reader = places.reader(stream, views if is_part else ())
    lag: tuple[PartitionLag, ...] = ()
    problem, place = "", ""
    try:
        with closing(places.source(stream, reader)) as source:
            place = source.name
            lag = source.lag()
    except FeatureStoreError as error:
        problem = error.message
    counts = [each.waiting for each in lag]
    events = places.events(stream)
    return StreamReport(
        stream=stream.name,
        place=place,
        group=reader.group,
        views=tuple(views),
        lag=lag,
        waiting=None if problem or None in counts else sum(count for count in counts if count is not None),
        problem=problem,
        workers=tuple(each for each in workers if each.group == reader.group),
        offline="" if events is None else events.name,
        waiting_files=len(waiting_files(places.folder(stream.name) / "spool")),
        dead_letters=_dead(places, stream) if is_here(stream) else None,
        dead_letters_in=stream.dead_letters,
    )


def _dead(places: StreamPlaces, stream: Stream) -> dict[str, int]:
    try:
        return dict(Counter(letter.reason for letter in read_letters(places, stream.name).letters))
    except FeatureStoreError:
        return {}
