"""The feature log of one dbt project: where its spool is, where logs go, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq

from featurestore.definitions.services import WAREHOUSE
from featurestore.errors import UsageError
from featurestore.server.log.destination import Bucket, LocalFolder, WarehouseTable
from featurestore.server.log.feature_log import WORKERS, LogCounts
from featurestore.server.log.load import Around, services_in, waiting_files
from featurestore.server.log.segments import OPEN, REFUSED, WHOLE, folder_of, service_of
from featurestore.server.log.spool import spool_of
from featurestore.training.logged import log_relation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from featurestore.definitions.project import Project
    from featurestore.registry.versions import Registry
    from featurestore.server.log.destination import Destination
    from featurestore.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """What of one service's log is on its way.

    Attributes:
        service: its name.
        to: where its log goes: the table, the folder or the URI.
        segments: closed by their workers, to be loaded.
        open_segments: that workers are writing, or were when they were killed.
        waiting: files of rows that wait for their destination.
        waiting_rows: how many these are.
        size_bytes: of all these on disk.
        oldest: since when the oldest of them waits, UTC; None when nothing does.
        refused: files of rows that were set aside, because their destination refused them again and again.
    """

    service: str
    to: str
    segments: int
    open_segments: int
    waiting: int
    waiting_rows: int
    size_bytes: int
    oldest: datetime | None
    refused: int


def around(
    registry: Registry, base_dir: Path, open_workspace: Callable[[], Workspace], *, spool: Path | None = None
) -> Around:
    """What segments of a project are loaded with, by its newest registry version.

    Args:
        registry: of the project.
        base_dir: the project's folder.
        open_workspace: finds its warehouse; called only when rows go there.
        spool: where its workers write; None for the project's own.

    Raises:
        UsageError: nothing was applied yet.
        RegistryUnavailableError: the registry cannot be read.
    """

    @cache
    def project_of(version: int) -> Project:
        return registry.version(version).content

    def destination_of(to: str) -> Destination:
        if to == WAREHOUSE:
            workspace = open_workspace()
            return WarehouseTable(
                open_warehouse=lambda: workspace.open_warehouse(read_only=False), schema=workspace.schema
            )
        return Bucket(uri=to) if "://" in to else LocalFolder(folder=base_dir / to)

    document = registry.latest()
    if document is None:
        raise UsageError("the registry holds no version yet", hint="run featurestore apply")
    return Around(
        spool=spool or spool_of(base_dir),
        project=document.content,
        project_of=project_of,
        destination_of=destination_of,
    )


def statuses(workspace: Workspace, project: Project, spool: Path) -> tuple[LogStatus, ...]:
    """Say what is on its way, by service: those that are logged, and those that have something in the spool."""
    logged = {service.name: service.logging for service in project.services if service.logging is not None}
    names = {*logged, *map(service_of, services_in(spool))}
    found = []
    for name in sorted(names):
        logging = logged.get(name)
        to = "-" if logging is None else logging.to
        if to == WAREHOUSE:
            to = log_relation(name, workspace.schema, workspace.dialect)
        found.append(_status(name, to, folder_of(spool, name)))
    return tuple(found)


def worker_counts(spool: Path) -> tuple[LogCounts, ...]:
    """What workers dropped, as each said it last; those that dropped nothing say nothing."""
    found = []
    for path in sorted((spool / WORKERS).glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=LogCounts))
        except (OSError, msgspec.DecodeError):  # written or removed this moment
            continue
    return tuple(found)


def _status(service: str, to: str, folder: Path) -> LogStatus:
    segments, opened = sorted(folder.glob(f"*{WHOLE}")), sorted(folder.glob(f"*{OPEN}"))
    waiting = waiting_files(folder)
    sizes, times, rows = [], [], 0
    for path in (*segments, *opened, *waiting):
        try:
            stat = path.stat()
            rows += pq.read_metadata(path).num_rows if path in waiting else 0
        except FileNotFoundError:  # loaded this moment
            continue
        sizes.append(stat.st_size)
        times.append(stat.st_mtime)
    return LogStatus(
        service=service,
        to=to,
        segments=len(segments),
        open_segments=len(opened),
        waiting=len(waiting),
        waiting_rows=rows,
        size_bytes=sum(sizes),
        oldest=datetime.fromtimestamp(min(times), tz=timezone.utc) if times else None,
        refused=len(list((folder / REFUSED).glob("*"))),
    )
