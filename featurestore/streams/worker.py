"""The worker of one stream: poll, read, write online, keep offline, commit; at least once, with exact results.

Shape of a round: ``poll -> batch -> online store``, and each second ``events -> offline, dead letters -> their place,
commit``. What is not committed comes again; the guard (SEMANTICS O1) and the origin of each event make that harmless.
The rule: while a store cannot be used nothing is polled, and nothing is lost.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import FeatureStoreError, QueryError, UsageError
from featurestore.streams.batch import Batch, BatchReader, letter_of
from featurestore.streams.dead_letters import letters_of
from featurestore.streams.decode import open_decoder
from featurestore.streams.events import EventReader
from featurestore.streams.messages import DeadLetter, Messages, Problem
from featurestore.streams.offline.protocol import new_name
from featurestore.streams.online_rows import OnlineRows
from featurestore.streams.online_sink import OnlineSink
from featurestore.streams.patience import Patience, Stopped
from featurestore.streams.places import chosen_streams, is_part
from featurestore.streams.status import WorkerStatus, write_status
from featurestore.streams.tally import Tally

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from featurestore.definitions.project import Project
    from featurestore.streams.dead_letters import DeadLetters
    from featurestore.streams.offline.protocol import OfflineRows
    from featurestore.streams.places import StreamPlaces
    from featurestore.streams.source import Source

logger = logging.getLogger("featurestore.streams")

_LOOK_S = 5.0
_STATUS_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a worker trades latency for work.

    Attributes:
        most: messages of one batch.
        wait_s: how long messages may be waited for until a batch is made of what is there.
        flush_s: how long events may wait to be kept offline, and committed.
        most_rows: events that wait at most.
        tries: how often what a store refuses is tried before it becomes a dead letter.
    """

    most: int = 5_000
    wait_s: float = 0.02
    flush_s: float = 1.0
    most_rows: int = 50_000
    tries: int = 3


@dataclass(slots=True)
class _Held:
    """What was written online, and is not committed yet."""

    tables: list[pa.Table] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    rows: int = 0
    since: float = 0.0

    def events(self) -> pa.Table | None:
        """All events in one table; None where there are none."""
        tables = [table for table in self.tables if table.num_rows]
        return pa.concat_tables(tables) if tables else None


class StreamWorker:
    """Reads one stream until it is told to stop; for one thread.

    Args:
        places: where everything is.
        stream: its name.
        names: of the views that it feeds; empty for all.
        pace: of the work.
        stop: set when it is to end.

    Attributes:
        name: what its status is known by.
        tally: what it counts.
    """

    def __init__(
        self, places: StreamPlaces, stream: str, names: Sequence[str], pace: Pace, stop: threading.Event
    ) -> None:
        self.tally = Tally()
        self._started_at = time.time()
        self.name = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(3)}"
        self._places = places
        self._names = tuple(names)
        self._pace = pace
        self._stop = stop
        project, self._version = places.project_of()
        self._stream = project.stream(stream)
        self._views = chosen_streams(project, names or (stream,))[stream]
        self._fed = project.stream_views(stream)
        only = [view.reference for view in self._views] if is_part(project, stream, self._views) else []
        self._reader = replace(places.reader(self._stream, only), on_revoke=self._flush_for_others)
        self._decoder = open_decoder(self._stream, places.connection(stream), base_dir=places.base_dir)
        self._source: Source = places.source(self._stream, self._reader)
        self._offline: OfflineRows | None = places.events(self._stream)
        self._letters: DeadLetters = letters_of(
            self._stream, source=self._source, base_dir=places.base_dir, state_dir=places.folder(stream)
        )
        self._store = places.open_store()
        self._online = OnlineRows(places.project, self._store)
        self._patience = Patience(stop, self.tally, self._source.keep_alive, name=stream)
        self._sink = OnlineSink(
            rows=self._online, store=self._store, patience=self._patience, tally=self.tally, tries=pace.tries
        )
        self._batches = BatchReader(EventReader(self._stream, self._decoder, self._fed), self._views)
        self._held = _Held()
        self._looked_at = self._said_at = time.monotonic()

    @property
    def stream_name(self) -> str:
        """The stream that it reads."""
        return self._stream.name

    @property
    def group(self) -> str:
        """The group that it reads for."""
        return self._reader.group

    @property
    def offline(self) -> OfflineRows | None:
        """Where events are kept; None for nowhere."""
        return self._offline

    def run(self) -> None:
        """Read until told to stop, or to the end of a stream that has one."""
        names = ", ".join(view.reference for view in self._views)
        logger.info("%s: reading %s for %s", self._stream.name, self._source.name, names)
        try:
            self._prepare()
            while not self._stop.is_set():
                if not self._round() and self._source.is_bounded:
                    break
            self._flush()
        except Stopped:
            logger.info("%s: stopped before everything was written; the rest comes again", self._stream.name)
        finally:
            self._end()

    def _prepare(self) -> None:
        """Begin views of which the store knows nothing, unless it forgot them while this group was reading."""
        has_position = self._patience.insist("the stream", self._source.has_position)
        for view in self._views:
            known = self._patience.insist("the online store", partial(self._online.is_known, view))
            if not known and not has_position:
                self._patience.insist("the online store", partial(self._online.begin, view))
                logger.info(
                    "%s: %s begins empty; materialize adds what the warehouse has", self._stream.name, view.reference
                )

    def _round(self) -> bool:
        """Take one batch; says whether there was one."""
        pace = self._pace
        messages = self._patience.insist("the stream", lambda: self._source.poll(pace.most, self._wait_s()))
        if len(messages):
            self._take(messages)
        now = time.monotonic()
        held = self._held
        if held.partitions and (now - held.since >= pace.flush_s or held.rows >= pace.most_rows):
            self._flush()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._follow_registry()
        if now - self._said_at >= _STATUS_S:
            self._said_at = now
            self._say()
        return bool(len(messages))

    def _wait_s(self) -> float:
        """Short while events wait to be committed, so that they do not wait longer than they should."""
        if not self._held.partitions:
            return self._pace.flush_s
        left_s = self._held.since + self._pace.flush_s - time.monotonic()
        return max(0.001, min(self._pace.wait_s, left_s))

    def _take(self, messages: Messages) -> None:
        held = self._held
        if not held.partitions:
            held.since = time.monotonic()
        for batch in self._batches.read(messages):
            self._sink.write(batch)
            self._count(batch)
            events = batch.events()
            if self._offline is not None and events is not None:
                held.tables.append(events)
            held.letters += batch.letters()
        held.partitions += messages.partitions
        held.offsets += messages.offsets
        held.rows += len(messages)

    def _flush(self) -> None:
        """Keep events and dead letters, then commit; what was polled meanwhile is none of it."""
        held, self._held = self._held, _Held()
        if not held.partitions:
            return
        name, rows = new_name(), held.events()
        if rows is not None and self._offline is not None:
            self._keep(name, rows, held.letters)
        if held.letters:
            self._patience.insist("the dead letters", lambda: self._letters.add(name, held.letters))
        self._patience.insist("the stream", lambda: self._source.commit(held.partitions, held.offsets))
        self._count_committed(held)

    def _keep(self, name: str, rows: pa.Table, letters: list[DeadLetter]) -> None:
        """Keep events offline; those that the place refuses, however few they are, become dead letters."""
        offline = self._offline
        assert offline is not None
        try:
            self._patience.insist("the offline store", lambda: offline.add(name, rows))
        except (UsageError, QueryError) as error:
            if rows.num_rows == 1:
                logger.warning("%s: %s refused an event: %s", self._stream.name, offline.name, error)
                letters.append(_refused_offline(rows, error, self._pace.tries))
                return
            half = rows.num_rows // 2
            self._keep(f"{name}a", rows.slice(0, half), letters)
            self._keep(f"{name}b", rows.slice(half), letters)

    def _flush_for_others(self) -> None:
        """Commit what is held before its partitions are another's; what fails now, the other one reads again."""
        held, self._held = self._held, _Held()
        if not held.partitions:
            return
        name, rows = new_name(), held.events()
        try:
            if rows is not None and self._offline is not None:
                self._offline.add(name, rows)
            if held.letters:
                self._letters.add(name, held.letters)
            self._source.commit(held.partitions, held.offsets)
        except FeatureStoreError as error:
            logger.info("%s: not committed before others took over: %s", self._stream.name, error)
        else:
            self._count_committed(held)

    def _count_committed(self, held: _Held) -> None:
        self.tally.committed_at = time.time()
        for letter in held.letters:
            self.tally.dead[letter.reason] += 1

    def _count(self, batch: Batch) -> None:
        tally = self.tally
        tally.batches += 1
        tally.messages += len(batch.messages)
        tally.events += len(batch.messages) - len(batch.problems)
        for name, count in batch.unknown.items():
            tally.unknown[name] += count
        published = [at for at in batch.messages.published_us[-1:] if at is not None]
        if published:
            tally.delay_s = max(0.0, time.time() - published[0] / 1_000_000)

    def _follow_registry(self) -> None:
        """Take up a newer version of the definitions; what was read by the old ones is committed first."""
        try:
            project, version = self._places.project_of()
        except FeatureStoreError as error:
            logger.warning("%s: the registry cannot be read, so the definitions stay: %s", self._stream.name, error)
            return
        if version == self._version:
            return
        self._version = version
        try:
            self._adopt(project)
        except UsageError as error:
            logger.warning("%s: registry version %s cannot be used here: %s", self._stream.name, version, error)

    def _adopt(self, project: Project) -> None:
        stream = project.stream(self._stream.name)
        wanted = [name for name in self._names if name != stream.name] or [stream.name]
        views, fed = chosen_streams(project, wanted)[stream.name], project.stream_views(stream.name)
        if (stream, views, fed) == (self._stream, self._views, self._fed):
            return
        if replace(stream, columns=()) != replace(self._stream, columns=()):
            logger.warning("%s: where the stream is or goes to has changed: start this worker again", stream.name)
        self._flush()
        reader = EventReader(stream, self._decoder, fed)
        batches, self._batches = self._batches, BatchReader(reader, views)
        batches.close()
        self._stream, self._views, self._fed = replace(self._stream, columns=stream.columns), views, fed
        logger.info("%s: the definitions of registry version %s are in force", stream.name, self._version)
        self._prepare()

    def _say(self, *, has_ended: bool = False) -> None:
        """Write what this worker counts where `stream status` reads it; a store that is away costs nothing."""
        status = WorkerStatus(
            stream=self._stream.name,
            worker=self.name,
            group=self.group,
            said_at=time.time(),
            started_at=self._started_at,
            tally=self.tally,
            has_ended=has_ended,
        )
        try:
            write_status(self._store, status)
        except FeatureStoreError as error:
            logger.debug("%s: no status: %s", self._stream.name, error)

    def _end(self) -> None:
        self._say(has_ended=True)
        self._batches.close()
        if self._offline is not None:
            self._offline.close()
        try:
            self._source.close()
        except FeatureStoreError as error:
            logger.info("%s: %s", self._stream.name, error)
        self._store.close()


def _refused_offline(row: pa.Table, error: FeatureStoreError, tries: int) -> DeadLetter:
    """An event that its place refuses; of its message only the origin and what was read of it is left."""
    import msgspec

    from featurestore.definitions.streams import OFFSET, ORIGIN_COLUMNS, PARTITION, TOPIC
    from featurestore.online.json_values import json_value

    own = {column.name for column in ORIGIN_COLUMNS}
    event = {name: json_value(value) for name, value in row.to_pylist()[0].items()}
    said = msgspec.json.encode({name: value for name, value in event.items() if name not in own})
    messages = Messages(
        topic=str(event[TOPIC]),
        values=[said],
        keys=[None],
        partitions=[str(event[PARTITION])],
        offsets=[str(event[OFFSET])],
        published_us=[None],
    )
    problem = Problem(reason="refused_offline", detail=error.message)
    return letter_of(messages, 0, problem, tries, time.time_ns() // 1_000)
