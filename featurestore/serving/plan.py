"""A lookup plan: everything about a request that does not depend on the entities; compiled once, used for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import DAY
from featurestore.definitions.references import select
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.online.codec import converter
from featurestore.online.keys import key_prefix, key_text_of
from featurestore.online.layouts import Layouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.definitions.views import FeatureView
    from featurestore.online.codec import Convert
    from featurestore.online.protocol import OnlineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUse:
    """How the rows of one use of a view are found and judged.

    Attributes:
        prefix: what its keys begin with.
        keys: for each of the view's join keys, the request's column and the declared type.
        ttl_us: P3; None is no limit.
        valid_to: index of the end of validity among the view's `online_columns`; None if it has none (P9).
        valid_to_us: microseconds in one unit of `valid_to`.
        layouts: reads the view's columns out of rows of any layout (O9).
    """

    prefix: bytes
    keys: tuple[Column, ...]
    ttl_us: int | None
    valid_to: int | None
    valid_to_us: int
    layouts: Layouts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutput:
    """Where one output column's values come from.

    Attributes:
        name, type: of the output column.
        use: index of its `PlannedUse`.
        column: its index among the view's `online_columns`.
        convert: what turns a stored cell into the value; None if they are the same.
    """

    name: str
    type: str
    use: int
    column: int
    convert: Convert | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupPlan:
    """What to ask the store, and how to read its answers.

    Attributes:
        entity_columns: the join keys that a request must bring, each once, with types.
        uses: each use of a view.
        outputs: the feature columns, in request order.
    """

    entity_columns: tuple[Column, ...]
    uses: tuple[PlannedUse, ...]
    outputs: tuple[PlannedOutput, ...]


def compile_plan(
    project: Project, store: OnlineStore, references: Sequence[str], *, full_feature_names: bool
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
    return LookupPlan(
        entity_columns=_entity_columns(selection),
        uses=tuple(_planned_use(project, store, use) for use in selection.uses),
        outputs=_outputs(selection),
    )


def _entity_columns(selection: Selection) -> tuple[Column, ...]:
    types = {spine_key: key.type for use in reversed(selection.uses) for spine_key, key in _keys_of(use)}
    return tuple(Column(name=name, type=types[name]) for name in selection.spine_keys)


def _keys_of(use: ViewUse) -> list[tuple[str, Column]]:
    return list(zip(use.spine_keys, use.view.join_keys, strict=True))


def _planned_use(project: Project, store: OnlineStore, use: ViewUse) -> PlannedUse:
    view = use.view
    for key in view.join_keys:
        key_text_of(key.type)
    return PlannedUse(
        prefix=key_prefix(project.name, view),
        keys=tuple(Column(name=spine_key, type=key.type) for spine_key, key in _keys_of(use)),
        ttl_us=view.ttl_us,
        valid_to=None if view.valid_to is None else len(view.online_columns) - 1,
        valid_to_us=DAY if view.valid_to is not None and view.valid_to.type == "date" else 1,
        layouts=Layouts(store, view),
    )


def _outputs(selection: Selection) -> tuple[PlannedOutput, ...]:
    uses = {id(use): index for index, use in enumerate(selection.uses)}
    return tuple(
        PlannedOutput(
            name=output.name,
            type=output.feature.type,
            use=uses[id(output.use)],
            column=_position(output.use.view, output.feature.name),
            convert=converter(output.feature.type),
        )
        for output in selection.outputs
    )


def _position(view: FeatureView, feature: str) -> int:
    return [each.name for each in view.features].index(feature)
