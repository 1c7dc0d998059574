"""Training sets from what was served: the log of a feature service is a feature view like any other.

Without examples, every logged row, each once; with examples, per example the newest logged row at or before its time
(SEMANTICS P2): the same join, whose event time is the moment of serving.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from featurestore.definitions.feature_log import ROW_ID, SERVED_AT, log_of, log_table_name
from featurestore.definitions.services import WAREHOUSE
from featurestore.errors import QueryError, UsageError
from featurestore.training.log_files import UPLOADED_LOG, LogFiles
from featurestore.warehouse.names import table_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView
    from featurestore.training.request import Question, Surroundings
    from featurestore.warehouse.protocol import Warehouse

_LOAD = "let a server answer, and load it: featurestore log load"
_FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST = datetime(9999, 12, 31, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableLog:
    """A service's log, as a warehouse reads it.

    Attributes:
        relation: what stands in SQL for it.
        open_warehouse: opens a warehouse that has it, read-only if True.
    """

    relation: str
    open_warehouse: Callable[[bool], Warehouse]


def log_relation(service: str, schema: str | None, dialect: str) -> str:
    """The name in SQL of the table that holds a service's log."""
    return table_in(schema, log_table_name(service), dialect)


def logged_service(project: Project, name: str) -> FeatureService:
    """Find a service that is logged.

    Raises:
        UnknownNameError: no such service.
        UsageError: it is not logged.
    """
    service = project.service(name)
    if service.logging is None:
        hint = "add `logging: true` to its metadata and apply, and its answers are kept from then on"
        raise UsageError(f"feature service '{name}' is not logged", hint=hint)
    return service


def files_of(service: FeatureService, base_dir: Path) -> LogFiles | None:
    """The files that a service's log goes to; None where it is a table."""
    if service.logging is None or service.logging.to == WAREHOUSE:
        return None
    return LogFiles(service=service.name, to=service.logging.to, base_dir=base_dir)


def readable_log(
    table: str, files: LogFiles | None, dialect: str, open_warehouse: Callable[[bool], Warehouse]
) -> ReadableLog:
    """Make a log readable: its table is, files may have to be uploaded to every connection.

    Raises:
        UsageError: there are no files yet.
        OperationError, ObjectStoreError: they cannot be listed.
    """
    if files is None:
        return ReadableLog(relation=table, open_warehouse=open_warehouse)
    if not files.are_there():
        raise UsageError(f"nothing was loaded yet to {files.name}", hint=_LOAD)
    relation = files.relation(dialect)
    if not files.is_uploaded(dialect):
        return ReadableLog(relation=relation, open_warehouse=open_warehouse)

    def opened(read_only: bool) -> Warehouse:
        rows = files.rows
        warehouse = open_warehouse(read_only)
        try:
            warehouse.upload(UPLOADED_LOG, rows)
        except BaseException:
            warehouse.close()
            raise
        return warehouse

    return ReadableLog(relation=relation, open_warehouse=opened)


def of_log(question: Question, around: Surroundings) -> tuple[Question, Surroundings]:
    """Turn a question about a log into one about the view that the log is.

    Raises:
        UsageError: features or a service are named too; the service is not logged, or nothing is there yet.
        UnknownNameError: no such service.
        OperationError, ObjectStoreError: its files cannot be listed, or read.
    """
    assert question.from_log is not None
    if question.features is not None or question.feature_service is not None:
        raise UsageError("a log has the features of its service", hint="leave out the features, or the log")
    service = logged_service(around.project, question.from_log)
    dialect = around.project.dialect
    files, table = files_of(service, around.base_dir), log_relation(service.name, around.schema, dialect)
    log = log_of(around.project, service)
    if files is not None:
        columns = (ROW_ID, SERVED_AT, *(key.name for key in log.keys), *(each.name for each in log.outputs))
        has_times = question.spine is None
        start, end = (question.start, question.end) if has_times else (None, None)
        files = replace(files, columns=columns, start=start, end=end)
    readable = readable_log(table, files, dialect, around.open_warehouse)
    view, around = log.view(readable.relation), replace(around, open_warehouse=readable.open_warehouse)
    if question.spine_columns is None:
        check_log_table(view, lambda: around.open_warehouse(True))
    question = replace(question, features=(view.name,))
    if question.spine is None and question.at is None:
        question = replace(question, start=question.start or _FIRST, end=question.end or _LAST)
    return question, replace(around, project=replace(around.project, views=(view,), services=()))


def check_log_table(view: FeatureView, open_warehouse: Callable[[], Warehouse]) -> None:
    """Refuse a log that is not there, or lacks a feature: nothing was loaded since the service has it.

    Raises:
        UsageError: names the table, and the column.
    """
    with closing(open_warehouse()) as warehouse:
        try:
            have = warehouse.schema(f"SELECT * FROM {view.relation}")
        except QueryError as error:
            what = f"nothing was loaded yet into the log {view.relation}, or it cannot be read: {error.what}"
            raise UsageError(what, hint=_LOAD) from error
    names = {column.name.casefold() for column in have}
    wanted = [*(key.name for key in view.join_keys), *(feature.name for feature in view.features)]
    for name in wanted:
        if name.casefold() not in names:
            what = f"the log {view.relation} has no column '{name}' yet"
            raise UsageError(f"{what}: nothing was loaded since the service has it", hint=_LOAD)
