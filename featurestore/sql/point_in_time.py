"""The point-in-time join: for each example, the newest row of every view usable at its time.

Shape: ``__spine -> per use of a view: its steps (strategies) -> spine columns, features``.
The rule: ``spine_time - ttl <= event_time`` and ``event_time + delay <= spine_time`` (SEMANTICS P1-P11).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import NameClashError, UsageError
from featurestore.sql.choice import Measured, choose
from featurestore.sql.dialects import dialect_named
from featurestore.sql.expressions import (
    FROM_SPINE,
    SPINE,
    SPINE_ROW,
    SPINE_TIME,
    alias,
    all_of,
    column,
    is_given,
    table,
)
from featurestore.sql.plan import Plan, Retrieval
from featurestore.sql.spine import check_keys, spine_step, text_uuids
from featurestore.sql.strategies import view_steps
from featurestore.sql.strategies.search import Search, asked_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import AsOf, FeatureView
    from featurestore.sql.dialects.table import Strategy

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
        UsageError: no SQL is written for `dialect`, a feature's name is reserved, or the asked strategy cannot be used.

    Source: README, "Point in time, precisely"; SEMANTICS P1-P15.
    """
    target = dialect_named(dialect)
    steps = [spine_step(spine, target)]
    result = exp.select(*[column(name, FROM_SPINE) for name in spine.output_columns]).from_(table(SPINE, FROM_SPINE))
    choices = []
    found = searches(spine, selection, dialect=dialect, options=options)
    for number, search in enumerate(found):
        measured = options.measured[number] if options.measured else Measured()
        choice = choose(search, measured, forced=_forced(search, options), lacks=options.lacks)
        choices.append(choice)
        steps.extend(replace(step, about=search.use.name) for step in view_steps(search, choice.strategy))
        result = result.join(table(search.name), on=_same_example(search), join_type="left", copy=False)
    names = {id(use): search.name for use, search in zip(selection.uses, found, strict=True)}
    for output in selection.outputs:
        result = result.select(alias(column(output.feature.name, names[id(output.use)]), output.name), copy=False)
    if options.event_timestamps:
        result = result.select(*_event_time_columns(spine, selection, found), copy=False)
    if options.ordered and (target.has_stable_rows or spine.row_number is not None):
        result = result.order_by(column(SPINE_ROW, FROM_SPINE), copy=False)
    return Plan(dialect=target, steps=tuple(steps), result=result, choices=tuple(choices))


def searches(
    spine: Spine, selection: Selection, *, dialect: str = "duckdb", options: Retrieval = _DEFAULTS
) -> tuple[Search, ...]:
    """What is to be looked up for the examples, per use of a view, in the selection's order.

    Raises:
        SpineError, UsageError: as `training_plan`.
    """
    target = dialect_named(dialect)
    check_keys(spine, selection.uses, target)
    _refuse_internal_names(selection)
    made = []
    for number, (use, name) in enumerate(zip(selection.uses, _step_names(selection), strict=True)):
        measured = options.measured[number] if options.measured else Measured()
        made.append(
            Search(
                use=_as_the_spine_spells(replace(use, view=with_as_of(use.view, options.as_of)), spine),
                features=tuple(output.feature.name for output in selection.outputs if output.use is use),
                name=name,
                dialect=target,
                by_row=target.has_stable_rows or spine.row_number is not None,
                prune=options.prune,
                has_index=measured.has_index is not False,
                between=options.between,
                text_uuids=text_uuids(spine, use),
            )
        )
    return tuple(made)


def _as_the_spine_spells(use: ViewUse, spine: Spine) -> ViewUse:
    """Keys are found case ignored, and quoted as they stand."""
    return replace(use, spine_keys=tuple(spine.column(key).name for key in use.spine_keys))


def _forced(search: Search, options: Retrieval) -> Strategy | None:
    return None if search.view.valid_to is not None else options.strategy


def _same_example(search: Search) -> exp.Expression:
    """Join a use's rows back to the examples."""
    if search.by_row:
        return column(SPINE_ROW, FROM_SPINE).eq(column(SPINE_ROW, search.name))
    same_time = column(SPINE_TIME, FROM_SPINE).eq(column(SPINE_TIME, search.name))
    pairs = zip(search.use.spine_keys, search.keys, strict=True)
    same_keys = [asked_key(search, name, FROM_SPINE).eq(column(key, search.name)) for name, key in pairs]
    joined = all_of([*same_keys, same_time])
    assert joined is not None
    return joined


def with_as_of(view: FeatureView, as_of: AsOf | None) -> FeatureView:
    """The view under a request's own rule of knowledge (SEMANTICS P8).

    Raises:
        UsageError: knowledge time is asked of a view that has no created time.
    """
    if as_of == "knowledge" and view.created_at is None:
        raise UsageError(
            f"as_of: knowledge needs a created time, which {view.reference} does not have",
            hint="declare created_at in its metadata, or ask as_of: event",
        )
    return view if as_of is None else replace(view, as_of=as_of)


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
        while _step_names_of(name) & taken:
            number += 1
            name = f"__{use.name}_{number}"
        taken |= _step_names_of(name)
        names.append(name)
    return names


def _step_names_of(name: str) -> set[str]:
    """All names that the steps of one use may have, case ignored."""
    return {f"{name}{suffix}".casefold() for suffix in ("", "__time", "__copy")}


def _event_time_columns(spine: Spine, selection: Selection, found: Sequence[Search]) -> list[exp.Expression]:
    taken = {name.casefold() for name in (*spine.output_columns, *(output.name for output in selection.outputs))}
    made: list[exp.Expression] = []
    for search in found:
        use, step = search.use, search.name
        values = (
            (f"{use.name}__event_timestamp", column(use.view.event_time.name, step)),
            (f"{use.name}__found", is_given(column(search.identity[-1], step))),
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
