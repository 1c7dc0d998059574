"""Training sets from what was served: the log of a feature service is a feature view like any other.

Without examples, every logged row, each once; with examples, per example the newest logged row at or before its time
(SEMANTICS P2): the same join, whose event time is the moment of serving.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from featurestore.definitions.feature_log import log_of, log_table_name
from featurestore.definitions.services import WAREHOUSE
from featurestore.errors import QueryError, UsageError
from featurestore.warehouse.names import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView
    from featurestore.training.request import Question, Surroundings
    from featurestore.warehouse.protocol import Warehouse

_FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST = datetime(9999, 12, 31, tzinfo=timezone.utc)


def log_relation(service: str, schema: str | None, dialect: str) -> str:
    """The name in SQL of the table that holds a service's log."""
    names = [log_table_name(service)] if not schema else [schema, log_table_name(service)]
    return ".".join(quoted(name, dialect) for name in names)


def logged_service(project: Project, name: str) -> FeatureService:
    """Find a service whose log is in the warehouse.

    Raises:
        UnknownNameError: no such service.
        UsageError: it is not logged, or to files.
    """
    service = project.service(name)
    if service.logging is None:
        hint = "add `logging: true` to its metadata and apply, and its answers are kept from then on"
        raise UsageError(f"feature service '{name}' is not logged", hint=hint)
    if service.logging.to != WAREHOUSE:
        raise UsageError(
            f"the log of feature service '{name}' goes to files in {service.logging.to}, not to the warehouse",
            hint="read these files: they have the columns of a training set",
        )
    return service


def of_log(question: Question, around: Surroundings) -> tuple[Question, Surroundings]:
    """Turn a question about a log into one about the view that the log is.

    Raises:
        UsageError: features or a service are named too; the service is not logged, or nothing is there yet.
        UnknownNameError: no such service.
    """
    assert question.from_log is not None
    if question.features is not None or question.feature_service is not None:
        raise UsageError("a log has the features of its service", hint="leave out the features, or the log")
    service = logged_service(around.project, question.from_log)
    relation = log_relation(service.name, around.schema, around.project.dialect)
    view = log_of(around.project, service).view(relation)
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
    hint = "let a server answer, and load it: featurestore log load"
    with closing(open_warehouse()) as warehouse:
        try:
            have = warehouse.schema(f"SELECT * FROM {view.relation}")
        except QueryError as error:
            raise UsageError(f"no log of what was served can be read: {error.what}", hint=hint) from error
    names = {column.name.casefold() for column in have}
    wanted = [*(key.name for key in view.join_keys), *(feature.name for feature in view.features)]
    for name in wanted:
        if name.casefold() not in names:
            what = f"the log {view.relation} has no column '{name}' yet"
            raise UsageError(f"{what}: nothing was loaded since the service has it", hint=hint)
