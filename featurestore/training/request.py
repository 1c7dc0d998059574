"""From what a user asks to a training set that can be read or run.

With examples, the point-in-time join; without, every row in a range or a snapshot at a time (SEMANTICS P16).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from featurestore.definitions.references import select
from featurestore.definitions.spine import DEFAULT_TIME
from featurestore.definitions.views import AsOf
from featurestore.errors import UsageError
from featurestore.sql.plan import Retrieval
from featurestore.training.compiled import Compiled
from featurestore.training.dataset import HistoricalFeatures, Request
from featurestore.training.examples import Model, find_examples, spine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Selection
    from featurestore.definitions.views import Column
    from featurestore.sql.dialects.table import Strategy
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a user asks; exactly one of `spine`, `at`, and `start` with `end` says for which examples.

    Attributes:
        features: references; None when a service names them.
        feature_service: name of a feature service; None when features are named.
        spine: examples in any form `training.examples` takes.
        time: the examples' time column; None chooses it.
        spine_columns: what columns the examples have, so that nothing needs to be asked; None asks.
        full_feature_names: ``view__feature`` instead of ``feature``.
        as_of: overrides every view's own rule of knowledge.
        event_timestamps: add ``<view>__event_timestamp`` and ``<view>__found``.
        strategy: how rows are searched, in every view without validity intervals; None chooses per view.
        at: one snapshot per entity at this time, UTC.
        start, end: every row of one view with an event time in this range, both ends inclusive, UTC.
    """

    features: Sequence[str] | None = None
    feature_service: str | None = None
    spine: object = None
    time: str | None = None
    spine_columns: tuple[Column, ...] | None = None
    full_feature_names: bool = False
    as_of: AsOf | None = None
    event_timestamps: bool = False
    strategy: Strategy | None = None
    at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a question is answered with.

    Attributes:
        project, registry_version: the definitions.
        model: finds a dbt model by name, None if there is none.
        open_warehouse: opens the target's warehouse, read-only if True.
        records_dir: where records of tables written in the warehouse go.
    """

    project: Project
    registry_version: int
    model: Callable[[str], Model | None]
    open_warehouse: Callable[[bool], Warehouse]
    records_dir: Path


def references_of(question: Question, project: Project) -> tuple[str, ...]:
    """The references a question asks for, from its list or its service.

    Raises:
        UsageError: both or neither are given.
        UnknownNameError: no such service.
    """
    if (question.features is None) == (question.feature_service is None):
        raise UsageError("name either features or a feature service, not both", hint='e.g. features=["view:feature"]')
    if question.feature_service is not None:
        return project.service(question.feature_service).features
    assert question.features is not None
    if isinstance(question.features, str):
        raise UsageError(f"features must be a list, got the text {question.features!r}", hint="put it in [...]")
    return tuple(question.features)


def ask(question: Question, around: Surroundings) -> HistoricalFeatures:
    """Prepare a training set; asks the warehouse for the columns of the examples, runs nothing.

    Raises:
        UsageError: the question asks for nothing, for too much, or for what is not there.
        SpineError: the examples cannot be used.
        WarehouseError: the warehouse cannot be opened.
    """
    if question.as_of not in (None, *get_args(AsOf)):
        raise UsageError(f"expected as_of to be {' or '.join(get_args(AsOf))}, got {question.as_of!r}")
    references = references_of(question, around.project)
    request = Request(
        references=references,
        feature_service=question.feature_service,
        registry_version=around.registry_version,
        dialect=around.project.dialect,
    )
    if question.spine is None:
        selection = select(
            around.project, references, full_feature_names=question.full_feature_names, taken=(DEFAULT_TIME,)
        )
        return _job(request, _without_spine(question, selection), around)
    return _with_examples(question, references, request, around)


def _with_examples(
    question: Question, references: tuple[str, ...], request: Request, around: Surroundings
) -> HistoricalFeatures:
    if question.at is not None or question.start is not None or question.end is not None:
        raise UsageError("a spine has its own times", hint="leave out at, start and end, or the spine")
    opened: list[Warehouse] = []

    def warehouse() -> Warehouse:
        if not opened:
            opened.append(around.open_warehouse(True))
        return opened[0]

    try:
        examples = find_examples(question.spine, model=around.model, warehouse=warehouse)
        if question.spine_columns is not None:
            examples = replace(examples, columns=question.spine_columns)
        spine = spine_of(examples, time=question.time, dialect=request.dialect, warehouse=warehouse)
    finally:
        for connection in opened:
            connection.close()
    selection = select(
        around.project, references, full_feature_names=question.full_feature_names, taken=spine.output_columns
    )
    is_frame = examples.table is not None
    compiled = Compiled(selection=selection, spine=spine, options=replace(_options(question), ordered=is_frame))
    return replace(_job(request, compiled, around), examples=examples, time=spine.time)


def _options(question: Question) -> Retrieval:
    return Retrieval(as_of=question.as_of, event_timestamps=question.event_timestamps, strategy=question.strategy)


def _without_spine(question: Question, selection: Selection) -> Compiled:
    if question.time is not None or question.spine_columns is not None:
        raise UsageError("a time and spine columns describe a spine, and there is none", hint="add the spine")
    if question.at is not None and question.start is None and question.end is None:
        return Compiled(selection=selection, at=question.at, options=_options(question))
    if question.at is None and question.start is not None and question.end is not None:
        if question.as_of is not None or question.event_timestamps or question.strategy is not None:
            raise UsageError(
                "start and end give every row as it is, so as_of, event_timestamps and strategy say nothing",
                hint="leave them out, or ask for a snapshot with at=T",
            )
        return Compiled(selection=selection, between=(question.start, question.end))
    raise UsageError(
        "for which examples? expected a spine, or at=T, or start= and end=",
        hint="give entity_df a frame, a file, a table, ref('model') or a SELECT",
    )


def _job(request: Request, compiled: Compiled, around: Surroundings) -> HistoricalFeatures:
    compiled.plan(request.dialect)  # a question that cannot be answered is refused now, not when it runs
    return HistoricalFeatures(
        request=request,
        compiled=compiled,
        examples=None,
        open_warehouse=around.open_warehouse,
        records_dir=around.records_dir,
    )
