"""The point-in-time join: for each example, the newest row of every view usable at its time.

Shape: ``__spine -> per view: which event time (matching), which row (winners) -> spine columns, features``.
The rule: ``spine_time - ttl <= event_time`` and ``event_time + delay <= spine_time`` (SEMANTICS P1-P11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.definitions.durations import format_duration
from featurestore.errors import NameClashError, UsageError
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import FROM_SPINE, SPINE, SPINE_ROW, alias, column, is_given, table
from featurestore.sql.matching import match_query, with_as_of
from featurestore.sql.plan import Plan, Retrieval, Step
from featurestore.sql.spine import check_keys, spine_step
from featurestore.sql.winners import matched_row, valid_row

if TYPE_CHECKING:
    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import FeatureView
    from featurestore.sql.dialects.table import Dialect

_DEFAULTS = Retrieval()


def training_plan(
    spine: Spine,
    selection: Selection,
    *,
    dialect: str = "duckdb",
    options: Retrieval = _DEFAULTS,
) -> Plan:
    """Plan the SQL that joins each example to the feature values known at its time.

    Args:
        spine: the examples.
        selection: what is asked for, as `definitions.references.select` resolves it.
        dialect: sqlglot's name of the warehouse.
        options: of this request.

    Returns:
        A plan whose rows are the spine's, duplicates kept, in unspecified order unless `options.ordered`.
        Columns: the spine's, then one per output in request order, NULL where no row was usable, then with
        `options.event_timestamps` ``<use>__event_timestamp`` (of the view's own time type) and
        ``<use>__found`` (boolean) per use.

    Raises:
        SpineError: no key or time column, or a key whose type cannot equal the view's.
        NameClashError: an added column meets another.
        UsageError: no SQL is written for `dialect`, or a feature's name is reserved.

    Source: README, "Point in time, precisely"; SEMANTICS P1-P15.
    """
    target = dialect_named(dialect)
    check_keys(spine, selection.uses)
    _refuse_internal_names(selection)
    steps = [spine_step(spine, target)]
    result = exp.select(*[column(name, FROM_SPINE) for name in spine.output_columns]).from_(table(SPINE, FROM_SPINE))
    names = _step_names(selection)
    for use, name in zip(selection.uses, names, strict=True):
        features = [output.feature.name for output in selection.outputs if output.use is use]
        steps.extend(_view_steps(use, features, name, target, options))
        same_row = column(SPINE_ROW, FROM_SPINE).eq(column(SPINE_ROW, name))
        result = result.join(table(name), on=same_row, join_type="left", copy=False)
    by_use = dict(zip(map(id, selection.uses), names, strict=True))
    for output in selection.outputs:
        result = result.select(alias(column(output.feature.name, by_use[id(output.use)]), output.name), copy=False)
    if options.event_timestamps:
        result = result.select(*_event_time_columns(spine, selection, names), copy=False)
    if options.ordered:
        result = result.order_by(column(SPINE_ROW, FROM_SPINE), copy=False)
    return Plan(dialect=target, steps=tuple(steps), result=result)


def _refuse_internal_names(selection: Selection) -> None:
    for output in selection.outputs:
        if output.feature.name.startswith("__"):
            raise UsageError(
                f"the feature name '{output.feature.name}' of {output.use.view.reference} is reserved",
                hint="rename the column; '__' is ours",
            )


def _step_names(selection: Selection) -> list[str]:
    """One internal name per use, so that it and its matching step meet no other name."""
    taken = {SPINE}
    names: list[str] = []
    for use in selection.uses:
        name, number = f"__{use.name}", 1
        while {name.casefold(), _match_name(name).casefold()} & taken:
            number += 1
            name = f"__{use.name}_{number}"
        taken |= {name.casefold(), _match_name(name).casefold()}
        names.append(name)
    return names


def _match_name(name: str) -> str:
    return f"{name}__time"


def _view_steps(use: ViewUse, features: list[str], name: str, dialect: Dialect, options: Retrieval) -> list[Step]:
    view = with_as_of(use.view, options.as_of)
    use = type(use)(view=view, name=use.name, spine_keys=use.spine_keys)
    if view.valid_to is not None:
        query = valid_row(use, features, dialect)
        return [Step(name=name, comment=_interval_comment(use), query=query, is_stored=True)]
    match = _match_name(name)
    return [
        Step(name=match, comment=_match_comment(use, options), query=match_query(use, dialect, options)),
        Step(
            name=name,
            comment="P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers",
            query=matched_row(use, features, match, dialect),
            is_stored=True,
        ),
    ]


def _match_comment(use: ViewUse, options: Retrieval) -> str:
    view = use.view
    before = "before" if view.boundary == "exclusive" else "at or before"
    parts = [f"P2: {use.name}: the newest event time {before} each example"]
    if view.ttl_us is not None:
        parts.append(f"P3: not older than {format_duration(view.ttl_us)}")
    if view.delay_us:
        parts.append(f"P7: usable {format_duration(view.delay_us)} after its event")
    if view.as_of == "knowledge":
        parts.append("P8: of the rows loaded by then")
    if options.prune:
        parts.append("P15: rows that no example can see are not read")
    return "; ".join(parts)


def _interval_comment(use: ViewUse) -> str:
    return f"P9: {use.name}: the row valid at each example's time"


def _event_time_columns(spine: Spine, selection: Selection, names: list[str]) -> list[exp.Expression]:
    taken = {name.casefold() for name in (*spine.output_columns, *(output.name for output in selection.outputs))}
    made: list[exp.Expression] = []
    for use, step in zip(selection.uses, names, strict=True):
        values = (
            (f"{use.name}__event_timestamp", column(_time_name(use.view), step)),
            (f"{use.name}__found", is_given(column(SPINE_ROW, step))),
        )
        for name, value in values:
            if name.casefold() in taken:
                raise NameClashError(
                    f"two output columns would be named '{name}'",
                    hint="give the use another name: 'view as name'",
                )
            taken.add(name.casefold())
            made.append(alias(value, name))
    return made


def _time_name(view: FeatureView) -> str:
    return view.event_time.name
