"""A stream, a view that it feeds, a worker of it in a thread, and what came of it on both sides."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.project import Project
from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.definitions.views import Column, Feature, FeatureView, StreamBinding
from featurestore.online.open import open_online_store
from featurestore.serving import connect
from featurestore.streams.compile import compile_sql
from featurestore.streams.dead_letters import read_letters
from featurestore.streams.places import StreamPlaces
from featurestore.streams.source import Outgoing
from featurestore.streams.sources.memory import BROKERS
from featurestore.streams.worker import Pace, StreamWorker

PATIENCE_S = 120.0
QUICK = Pace(most=1_000, wait_s=0.005, flush_s=0.05, tries=2)
CLICKS = Stream(
    name="clicks",
    columns=(
        Column(name="user_id", type="int64"),
        Column(name="clicked_at", type="timestamp"),
        Column(name="page", type="string"),
        Column(name="seconds", type="float64"),
    ),
    to="events",
)
USER_CLICKS = FeatureView(
    name="user_clicks",
    relation='"shop"."main"."user_clicks"',
    entities=("user_id",),
    join_keys=(Column(name="user_id", type="int64"),),
    event_time=Column(name="clicked_at", type="timestamp"),
    features=(Feature(name="page", type="string"), Feature(name="seconds", type="float64")),
    stream=StreamBinding(source="clicks"),
)


def column(name, kind):
    return Column(name=name, type=kind)


def fed_by(view, stream, sql):
    """The view, its rows made by this SQL."""
    text = compile_sql(view, stream, sql, dialect="duckdb", names=(stream.name,))
    return replace(view, stream=replace(view.stream, sql=text))


def iso(moment):
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def now(seconds=0.0):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def event(user, at=None, *, key=None, **more):
    """A message about a click."""
    said = {"user_id": user, "clicked_at": iso(at or now(-60)), "page": "/", "seconds": 1.0, **more}
    return Outgoing(value=msgspec.json.encode(said), key=key)


def message(body, key=None):
    return Outgoing(value=body, key=key)


@dataclass
class Scene:
    """A project with streams in a folder; `url` says where they are."""

    folder: Path
    url: str
    project: Project = field(default_factory=lambda: Project(name="shop", views=(USER_CLICKS,), streams=(CLICKS,)))
    store_uri: str = "sqlite:online.sqlite"
    options: tuple[tuple[str, str], ...] = ()
    connection: StreamConnection | None = None
    version: int = 1
    open_warehouse: Any = None
    dialect: str = "duckdb"

    @property
    def places(self):
        return StreamPlaces(
            project=self.project.name,
            base_dir=self.folder,
            state_dir=self.folder / ".featurestore",
            online_store=self.store_uri,
            connection=lambda _: self.connection or StreamConnection(url=self.url, options=self.options),
            open_store=self.open_store,
            open_warehouse=self.open_warehouse,
            dialect=self.dialect,
            schema=None,
            project_of=lambda: (self.project, self.version),
        )

    def open_store(self):
        return open_online_store(self.store_uri, project=self.project.name, base_dir=self.folder)

    def send(self, *messages, stream="clicks"):
        found = self.project.stream(stream)
        source = self.places.source(found, self.places.reader(found))
        try:
            source.send(found.topic_name, messages)
        finally:
            source.close()

    def worker(self, *names, pace=QUICK, stream="clicks"):
        stop = threading.Event()
        return StreamWorker(self.places, stream, names, pace, stop), stop

    @contextmanager
    def running(self, *names, pace=QUICK, stream="clicks"):
        """A worker, which is told to stop at the end; what it raised is raised."""
        worker, stop = self.worker(*names, pace=pace, stream=stream)
        raised: list[BaseException] = []

        def run():
            try:
                worker.run()
            except BaseException as problem:  # noqa: BLE001  raised again below
                raised.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield worker
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
        if raised:
            raise raised[0]

    def read_all(self, *names, pace=QUICK, stream="clicks"):
        """Run a worker until nothing waits; returns what it counted."""
        with self.running(*names, pace=pace, stream=stream) as worker:
            self.wait_until_read(*names, stream=stream)
        return worker.tally

    def wait_until_read(self, *names, stream="clicks"):
        wait_for(lambda: self.waiting(*names, stream=stream) == 0, "everything is committed")

    def waiting(self, *names, stream="clicks"):
        found = self.project.stream(stream)
        source = self.places.source(found, self.places.reader(found, names))
        try:
            return sum(each.waiting for each in source.lag())
        finally:
            source.close()

    def served(self, user, view="user_clicks"):
        """The features of a user, and their status."""
        return self.served_by({"user_id": user}, view)

    def served_by(self, keys, view):
        """The features of an entity, and their status."""
        store = self.open_store()
        try:
            found = connect(self.project, store).get_online_features([view], [keys])
            names = [feature.name for feature in self.project.named_view(view).features]
            values = found.to_dict()
            return {name: values[name][0] for name in names}, found.statuses[names[0]][0]
        finally:
            store.close()

    def letters(self, stream="clicks"):
        return list(read_letters(self.places, stream).letters)

    def reasons(self, stream="clicks"):
        return sorted(letter.reason for letter in self.letters(stream))

    def events(self, stream="clicks"):
        """Events that are kept in files, as rows; each as often as it is there."""
        files = sorted((self.folder / self.project.stream(stream).to / stream).glob("hour=*/*.parquet"))
        tables = [pq.ParquetFile(path).read() for path in files]
        return pa.concat_tables(tables).to_pylist() if tables else []

    def changed(self, view=None, stream=None):
        """Have other definitions from now on."""
        views = tuple(view if view is not None and each.name == view.name else each for each in self.project.views)
        streams = tuple(
            stream if stream is not None and each.name == stream.name else each for each in self.project.streams
        )
        self.project = replace(self.project, views=views, streams=streams)
        self.version += 1


def wait_for(is_so, what, seconds=PATIENCE_S):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"it never happened: {what}"
        time.sleep(0.02)


def memory_scene(folder, **more):
    """A scene whose broker is this process' memory, a new one each time."""
    BROKERS.pop(str(folder), None)
    return Scene(folder=folder, url=f"memory:{folder}", **more)
