"""What a worker of one stream is made of: the stream, its views, its source, and where events and dead letters go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.definitions.services import WAREHOUSE
from featurestore.definitions.streams import (
    ICEBERG_PREFIX,
    INGESTED_AT,
    NOWHERE,
    OFFSET,
    PARTITION,
    TOPIC,
    events_table_name,
)
from featurestore.errors import UsageError, did_you_mean
from featurestore.streams.offline.direct import DirectRows
from featurestore.streams.offline.files import BucketRows, FolderRows
from featurestore.streams.offline.spooled import SpooledRows
from featurestore.streams.source import Reader, open_source
from featurestore.warehouse.names import table_in

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.streams.offline.protocol import OfflineRows
    from featurestore.streams.source import Source
    from featurestore.warehouse.protocol import Warehouse

ORIGIN = (TOPIC, PARTITION, OFFSET)
_FILE_WAREHOUSES = ("duckdb",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlaces:
    """Where the streams of a project are, on this machine.

    Attributes:
        project: its name.
        base_dir: what relative paths are relative to.
        state_dir: where this machine keeps what is not committed.
        online_store: its URI; it may hold a password.
        connection: says where a stream is.
        open_store: opens the online store.
        open_warehouse: opens the warehouse for writing.
        dialect: of the warehouse.
        schema: of the target; None for the connection's own.
        project_of: reads the newest definitions, and the number of their version.
    """

    project: str
    base_dir: Path
    state_dir: Path
    online_store: str
    connection: Callable[[str], StreamConnection]
    open_store: Callable[[], OnlineStore]
    open_warehouse: Callable[[], Warehouse]
    dialect: str
    schema: str | None
    project_of: Callable[[], tuple[Project, int]]

    def __repr__(self) -> str:
        """Say nothing of what may be secret."""
        return f"<StreamPlaces of {self.project}>"

    def folder(self, stream: str) -> Path:
        """Where a stream's spool, positions and dead letters are."""
        return self.state_dir / "streams" / stream

    def pushed(self, view: str) -> Path:
        """Where rows that were pushed to a view wait for the warehouse."""
        return self.state_dir / "pushed" / view

    def group(self, stream: str, views: Sequence[str] = ()) -> str:
        """Who shares the messages of a stream: all workers of the project, or those of some views only."""
        return ".".join(("featurestore", self.project, stream, *sorted(views)))

    def source(self, stream: Stream, reader: Reader) -> Source:
        """Open a stream. Raises UsageError."""
        return open_source(stream, self.connection(stream.name), reader, online_store=self.online_store)

    def reader(self, stream: Stream, views: Sequence[str] = ()) -> Reader:
        """Who reads a stream."""
        return Reader(group=self.group(stream.name, views), base_dir=self.base_dir, state_dir=self.folder(stream.name))

    def events(self, stream: Stream) -> OfflineRows | None:
        """Where a stream's events are kept; None for nowhere."""
        if stream.to == NOWHERE:
            return None
        if stream.to.startswith(ICEBERG_PREFIX):
            from featurestore.streams.offline.iceberg import open_iceberg

            table = stream.to.removeprefix(ICEBERG_PREFIX)
            opened: OfflineRows = open_iceberg(table, by=INGESTED_AT, base_dir=self.base_dir)
            return opened
        if "://" in stream.to:
            return BucketRows(uri=f"{stream.to.rstrip('/')}/{stream.name}", by=INGESTED_AT)
        if stream.to != WAREHOUSE:
            return FolderRows(folder=self.base_dir / stream.to / stream.name, by=INGESTED_AT)
        return self.table(self.events_relation(stream), self.folder(stream.name) / "spool", known_by=ORIGIN)

    def events_relation(self, stream: Stream) -> str:
        """The table of a stream's events, as it stands in SQL."""
        return stream.relation or table_in(self.schema, events_table_name(stream.name), self.dialect)

    def table(self, relation: str, spool: Path, *, known_by: Sequence[str]) -> OfflineRows:
        """A table of the warehouse as a place for rows."""
        if self.dialect in _FILE_WAREHOUSES:
            return SpooledRows(spool, relation, self.open_warehouse, known_by=known_by)
        return DirectRows(relation, self.open_warehouse)


def chosen_streams(project: Project, names: Sequence[str]) -> dict[str, tuple[FeatureView, ...]]:
    """The streams to be read, and the views of each; all of them where no view is named.

    Args:
        project: the definitions.
        names: references of views, or names of streams, which stand for all their views.

    Raises:
        UsageError: a view that no stream feeds, or a project without streams.
        UnknownNameError: no such view or stream.
    """
    fed = [view for view in project.views if view.stream is not None]
    if not fed:
        raise UsageError(
            "no feature view is fed by a stream", hint="write `stream: NAME` into a view's metadata, and apply"
        )
    if not names:
        return {name: project.stream_views(name) for name in sorted({_source_of(view) for view in fed})}
    found: dict[str, dict[str, FeatureView]] = {}
    streams = {stream.name for stream in project.streams}
    for name in names:
        if name in streams and name not in {view.reference for view in fed}:
            views = project.stream_views(name)
            if not views:
                raise UsageError(
                    f"no feature view is fed by stream '{name}'", hint="write `stream: NAME` into a view's"
                )
        else:
            views = (project.named_view(name),)
        for view in views:
            if view.stream is None:
                hint = did_you_mean(view.reference, {each.reference for each in fed})
                raise UsageError(f"no stream feeds feature view {view.reference}", hint=hint)
            found.setdefault(view.stream.source, {})[view.reference] = view
    return {name: tuple(found[name].values()) for name in sorted(found)}


def is_part(project: Project, stream: str, views: Sequence[FeatureView]) -> bool:
    """Whether these are some of a stream's views only."""
    return len(views) < len(project.stream_views(stream))


def _source_of(view: FeatureView) -> str:
    assert view.stream is not None, view.reference
    return view.stream.source
