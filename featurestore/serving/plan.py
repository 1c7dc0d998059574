"""A lookup plan: everything about a request that does not depend on the entities; compiled once, used for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import DAY
from featurestore.definitions.references import select
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.online.codec import HEADER_CELLS, converter
from featurestore.online.keys import key_text_of
from featurestore.serving.outputs import PlannedOutput, outputs_of
from featurestore.serving.row_reader import RowReader
from featurestore.serving.row_sets import RowSets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.project import Definitions
    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.definitions.views import FeatureView
    from featurestore.online.codec import Convert
    from featurestore.serving.outputs import Outputs
    from featurestore.serving.row_sets import KnownNotes

_HOLDS_OTHERS = ("list<", "struct<", "map<", "unknown:")
"""Types whose values a caller could change in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUse:
    """How the rows of one use of a view are found and judged.

    Attributes:
        keys: index of the plan's `key_columns` that identify its rows.
        ttl_us: P3; None is no limit.
        valid_to: index of the end of validity among a row's cells; None if it has none (P9).
        valid_to_us: microseconds in one unit of `valid_to`.
        reader: reads the view's rows of any layout (O9).
    """

    keys: int
    ttl_us: int | None
    valid_to: int | None
    valid_to_us: int
    reader: RowReader


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupPlan:
    """What to ask the store, and how to read its answers.

    Attributes:
        join_keys: names of the entity columns.
        entity_columns: the join keys that a request must bring, each once; `cell` counts them.
        key_columns: the distinct lists of join keys, each the request's columns and the declared types.
        uses: each use of a view.
        row_sets: where the rows of each use are.
        outputs: the feature columns, in request order.
    """

    join_keys: tuple[str, ...]
    entity_columns: Outputs
    key_columns: tuple[tuple[Column, ...], ...]
    uses: tuple[PlannedUse, ...]
    row_sets: RowSets
    outputs: Outputs


def compile_plan(
    project: Definitions, known: KnownNotes, references: Sequence[str], *, full_feature_names: bool
) -> LookupPlan:
    """Resolve references into a plan.

    Raises:
        UsageError: no or unreadable references, unknown names, clashing output names, or a view that is not online.
    """
    selection = select(project, references, full_feature_names=full_feature_names)
    selection = select(project, references, full_feature_names=full_feature_names, taken=selection.spine_keys)
    for use in selection.uses:
        if not use.view.online:
            raise UsageError(
                f"feature view {use.view.reference} is not online",
                hint="set `online: true` in its metadata, then apply and materialize",
            )
    key_columns = tuple(dict.fromkeys(_key_columns(use) for use in selection.uses))
    return LookupPlan(
        join_keys=tuple(selection.spine_keys),
        entity_columns=_entity_columns(selection),
        key_columns=key_columns,
        uses=tuple(_planned_use(use, key_columns.index(_key_columns(use))) for use in selection.uses),
        row_sets=RowSets([use.view for use in selection.uses], known),
        outputs=_outputs(selection, is_cached=known.cache is not None),
    )


def _key_columns(use: ViewUse) -> tuple[Column, ...]:
    pairs = zip(use.spine_keys, use.view.join_keys, strict=True)
    return tuple(Column(name=spine_key, type=key.type) for spine_key, key in pairs)


def _entity_columns(selection: Selection) -> Outputs:
    types = {column.name: column.type for use in reversed(selection.uses) for column in _key_columns(use)}
    return outputs_of(
        PlannedOutput(name=name, type=types[name], cell=place) for place, name in enumerate(selection.spine_keys)
    )


def _planned_use(use: ViewUse, keys: int) -> PlannedUse:
    view = use.view
    for key in view.join_keys:
        key_text_of(key.type)
    reader = RowReader(view)
    return PlannedUse(
        keys=keys,
        ttl_us=view.ttl_us,
        valid_to=None if view.valid_to is None else reader.width - 1,
        valid_to_us=DAY if view.valid_to is not None and view.valid_to.type == "date" else 1,
        reader=reader,
    )


def _outputs(selection: Selection, *, is_cached: bool) -> Outputs:
    uses = {id(use): index for index, use in enumerate(selection.uses)}
    return outputs_of(
        PlannedOutput(
            name=output.name,
            type=output.feature.type,
            use=uses[id(output.use)],
            cell=_cell(output.use.view, output.feature.name),
            convert=_converter(output.feature.type, is_cached=is_cached),
        )
        for output in selection.outputs
    )


def _cell(view: FeatureView, feature: str) -> int:
    return HEADER_CELLS + [each.name for each in view.features].index(feature)


def _converter(value_type: str, *, is_cached: bool) -> Convert | None:
    """Find the converter; values of rows that stay in a cache are copied, where a caller could change them."""
    convert = converter(value_type)
    return _copy if convert is None and is_cached and value_type.startswith(_HOLDS_OTHERS) else convert


def _copy(value: object) -> object:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return value
