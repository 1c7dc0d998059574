"""Workers of several streams in one process: a thread each, and one that brings what is spooled to the warehouse."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError
from featurestore.streams.places import chosen_streams
from featurestore.streams.worker import Pace, StreamWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.streams.offline.protocol import OfflineRows
    from featurestore.streams.places import StreamPlaces
    from featurestore.streams.tally import Tally

logger = logging.getLogger("featurestore.streams")

SETTLE_S = 5.0
_JOIN_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDone:
    """What a worker did until it was told to stop.

    Attributes:
        stream: its name.
        tally: what it counted.
    """

    stream: str
    tally: Tally


def run_streams(
    places: StreamPlaces,
    names: Sequence[str],
    *,
    pace: Pace,
    stop: threading.Event,
    on_start: Callable[[Sequence[StreamWorker]], None] = lambda _: None,
) -> tuple[StreamDone, ...]:
    """Read streams until told to stop, or until all of them have an end and have come to it.

    Args:
        places: where everything is.
        names: views, or streams, which stand for all their views; empty for all.
        pace: of the work.
        stop: set by somebody else; a second KeyboardInterrupt is not waited for.
        on_start: told the workers before they begin.

    Raises:
        UsageError: a name or a setting that cannot be meant; nothing was begun.
        FeatureStoreError: a worker ended with it; the others were stopped, and what they had done is committed.
    """
    project, _ = places.project_of()
    chosen = chosen_streams(project, names)
    workers = {
        stream: StreamWorker(places, stream, [view.reference for view in views] if names else [], pace, stop)
        for stream, views in chosen.items()
    }
    on_start(tuple(workers.values()))
    problems: list[BaseException] = []

    def run(worker: StreamWorker) -> None:
        try:
            worker.run()
        except BaseException as problem:  # noqa: BLE001  raised again by whoever waits for the threads
            problems.append(problem)
            stop.set()

    threads = [threading.Thread(target=run, args=(each,), name=name) for name, each in workers.items()]
    settler = _Settler([(worker.offline, worker.tally) for worker in workers.values() if worker.offline is not None])
    settler.start()
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(_JOIN_S)
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
        raise
    finally:
        settler.finish()
    if problems:
        raise problems[0]
    return tuple(StreamDone(stream=name, tally=worker.tally) for name, worker in workers.items())


class _Settler:
    """Settles places for rows every few seconds, and once at the end."""

    def __init__(self, each: Sequence[tuple[OfflineRows, Tally]]) -> None:
        self._each = each
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """End after a last time."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SETTLE_S):
            self._settle()
        self._settle()

    def _settle(self) -> None:
        for rows, tally in self._each:
            try:
                waiting = rows.settle()
            except FeatureStoreError as error:
                tally.offline_problem = error.message
                continue
            if waiting.problem and waiting.problem != tally.offline_problem:
                logger.warning("%s waits: %s", rows.name, waiting.problem)
            tally.waiting_files, tally.offline_problem = waiting.files, waiting.problem
