"""From what a user asks to a training set that can be read or run.

With examples, the point-in-time join; without, every row in a range or a snapshot at a time (SEMANTICS P16).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from featurestore.definitions.feature_log import ROW_ID
from featurestore.definitions.labels import labels_of
from featurestore.definitions.references import Reference, select
from featurestore.definitions.rules import with_rules
from featurestore.definitions.services import check_request_columns
from featurestore.definitions.spine import DEFAULT_TIME
from featurestore.definitions.views import AsOf
from featurestore.errors import NameClashError, UsageError
from featurestore.sql.labels import label_counts
from featurestore.sql.plan import Retrieval
from featurestore.training.compiled import Compiled
from featurestore.training.dataset import HistoricalFeatures, Request
from featurestore.training.examples import Model, find_examples, spine_of
from featurestore.training.explain.run import Asked
from featurestore.training.logged import of_log
from featurestore.training.narrowing import narrow, narrow_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.labels import Labels
    from featurestore.definitions.part import Part
    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Selection
    from featurestore.definitions.rules import Override
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import Column
    from featurestore.sql.dialects.table import Strategy
    from featurestore.training.examples import Examples
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a user asks; exactly one of `spine`, `at`, and `start` with `end` says for which examples.

    Attributes:
        features: references; None when a service names them.
        feature_service: name of a feature service; None when features are named.
        from_log: name of a feature service, whose log takes the place of features (`training.logged`).
        spine: examples in any form `training.examples` takes.
        time: the examples' time column; None chooses it.
        spine_columns: what columns the examples have, so that nothing needs to be asked; None asks.
        full_feature_names: ``view__feature`` instead of ``feature``.
        as_of: overrides every view's own rule of knowledge.
        overrides: other rules of time for some views (`definitions.rules`); these go before `as_of`.
        labels: which columns of the examples are labels, and when they are known (`definitions.labels`).
        part: which of the examples; None takes all.
        event_timestamps: add ``<view>__event_timestamp`` and ``<view>__found``.
        strategy: how rows are searched, in every view without validity intervals; None chooses per view.
        at: one snapshot per entity at this time, UTC.
        start, end: every row of one view with an event time in this range, both ends inclusive, UTC.
    """

    features: Sequence[str | Reference] | None = None
    feature_service: str | None = None
    from_log: str | None = None
    spine: object = None
    time: str | None = None
    spine_columns: tuple[Column, ...] | None = None
    full_feature_names: bool = False
    as_of: AsOf | None = None
    overrides: tuple[Override, ...] = ()
    labels: Labels | None = None
    part: Part | None = None
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
        cards_dir: where cards of tables written in the warehouse go.
        registry_hash: of the definitions' content.
        owner: finds what of dbt's has a table's name, None if nothing has.
        schema: of the dbt target, where logs of what was served are; None for the connection's own.
        base_dir: the project's folder, from which a log in a folder is found.
    """

    project: Project
    registry_version: int
    model: Callable[[str], Model | None]
    open_warehouse: Callable[[bool], Warehouse]
    cards_dir: Path
    registry_hash: str = ""
    owner: Callable[[str], str | None] | None = None
    schema: str | None = None
    base_dir: Path = Path()


def asked(question: Question) -> dict[str, Any]:
    """The options of a question that say something, features and spine apart, in the types that JSON has."""
    import msgspec

    options = msgspec.to_builtins(replace(question, spine=None, features=None, feature_service=None))
    return {name: value for name, value in options.items() if value not in (None, False, [])}


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
    if isinstance(question.features, (str, Reference)):
        raise UsageError(f"features must be a list, got {str(question.features)!r} alone", hint="put it in [...]")
    return tuple(map(str, question.features))


def ask(question: Question, around: Surroundings) -> HistoricalFeatures:
    """Prepare a training set; asks the warehouse for the columns of the examples, runs nothing.

    Raises:
        UsageError: the question asks for nothing, for too much, or for what is not there.
        SpineError: the examples cannot be used.
        WarehouseError: the warehouse cannot be opened.
    """
    _refuse_unknown_as_of(question)
    options = asked(question)
    if question.from_log is not None:
        question, around = of_log(question, around)
    references = references_of(question, around.project)
    request = Request(
        references=references,
        feature_service=question.feature_service,
        registry_version=around.registry_version,
        dialect=around.project.dialect,
        as_of=question.as_of,
        overrides={override.name: override.written for override in question.overrides},
        labels=question.labels,
        part=question.part,
        project=around.project.name,
        registry_hash=around.registry_hash,
        question=options,
        spine=str(question.spine) if isinstance(question.spine, (str, Path)) else None,
    )
    if question.spine is None:
        selection = _select_alone(question, references, around.project)
        return _job(request, _without_spine(question, selection), around)
    return _with_examples(question, references, request, around)


def to_explain(question: Question, around: Surroundings) -> Asked:
    """Prepare to explain examples that are named by keys and a time; features of equal names do not matter here.

    Raises:
        UsageError: the question asks for nothing, or for what is not there.
    """
    _refuse_unknown_as_of(question)
    references = references_of(question, around.project)
    selection = _select(replace(question, full_feature_names=True), references, around.project, taken=())
    return Asked(
        compiled=Compiled(selection=selection, options=_options(question)),
        dialect=around.project.dialect,
        open_warehouse=around.open_warehouse,
    )


def _refuse_unknown_as_of(question: Question) -> None:
    if question.as_of not in (None, *get_args(AsOf)):
        raise UsageError(f"expected as_of to be {' or '.join(get_args(AsOf))}, got {question.as_of!r}")


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
        spine = spine_of(
            examples, time=question.time, labels=question.labels, dialect=request.dialect, warehouse=warehouse
        )
    finally:
        for connection in opened:
            connection.close()
    if question.feature_service is not None:
        check_request_columns(around.project.service(question.feature_service), spine)
    selection = _select(question, references, around.project, taken=spine.output_columns)
    examples, compiled = _narrowed(question, examples, spine, selection, request.dialect)
    job = _job(replace(request, labels=compiled.labels), compiled, around)
    return replace(job, examples=examples, time=spine.time)


def _narrowed(
    question: Question, examples: Examples, spine: Spine, selection: Selection, dialect: str
) -> tuple[Examples, Compiled]:
    """Guard the labels of the examples and take the part that is asked for."""
    keys = selection.spine_keys
    labels = (
        None if question.labels is None else labels_of(spine, question.labels, keys, now=datetime.now(timezone.utc))
    )
    compiled = Compiled(selection=selection, labels=labels)
    if examples.table is not None:
        examples, spine = narrow_frame(examples, spine, labels, question.part, keys)
        return examples, replace(compiled, spine=spine, options=replace(_options(question), ordered=True))
    counts = None if labels is None else label_counts(spine, labels, dialect=dialect)
    spine = narrow(spine, labels, question.part, keys, dialect=dialect)
    return examples, replace(compiled, spine=spine, label_counts=counts, options=_options(question))


def _select(question: Question, references: tuple[str, ...], project: Project, *, taken: tuple[str, ...]) -> Selection:
    """What is asked for, under the request's own rules of time."""
    selection = select(project, references, full_feature_names=question.full_feature_names, taken=taken)
    return with_rules(selection, as_of=question.as_of, overrides=question.overrides)


def _select_alone(question: Question, references: tuple[str, ...], project: Project) -> Selection:
    """What is asked for without a spine, where the result has the views' keys and a time of its own (P12, P16)."""
    keys = _select(question, references, project, taken=()).spine_keys
    if DEFAULT_TIME in {key.casefold() for key in keys}:
        raise NameClashError(
            f"two output columns would be named '{DEFAULT_TIME}': a join key, and the time of each row",
            hint=f"call the key otherwise: view[{DEFAULT_TIME}=another_name]",
        )
    return _select(question, references, project, taken=(*keys, DEFAULT_TIME))


def _options(question: Question) -> Retrieval:
    return Retrieval(event_timestamps=question.event_timestamps, strategy=question.strategy)


def _without_spine(question: Question, selection: Selection) -> Compiled:
    if question.time is not None or question.spine_columns is not None:
        raise UsageError("a time and spine columns describe a spine, and there is none", hint="add the spine")
    if question.labels is not None or question.part is not None:
        raise UsageError("labels, a limit and a sample are of a spine, and there is none", hint="add the spine")
    if question.at is not None and question.start is None and question.end is None:
        return Compiled(selection=selection, at=question.at, options=_options(question))
    if question.at is None and question.start is not None and question.end is not None:
        has_rules = question.as_of is not None or bool(question.overrides)
        if has_rules or question.event_timestamps or question.strategy is not None:
            raise UsageError(
                "start and end give every row as it is, so as_of, overrides, event_timestamps and strategy say nothing",
                hint="leave them out, or ask for a snapshot with at=T",
            )
        unique_by = None if question.from_log is None else ROW_ID
        return Compiled(selection=selection, between=(question.start, question.end), unique_by=unique_by)
    if question.at is None and (question.start is not None or question.end is not None):
        given = "start" if question.end is None else "end"
        raise UsageError(f"start and end go together, got only {given}", hint="give both, UTC; both ends are inclusive")
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
        cards_dir=around.cards_dir,
        owner=around.owner,
    )
