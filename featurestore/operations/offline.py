"""What the warehouse answers at one moment: the training side's own point-in-time query (SEMANTICS P2-P9, P16).

Each view is asked for twice in one question: under its ttl, which gives the answer, and without, which tells a row
that is too old from no row at all (P17). A sync never runs this query, so the two agree for different reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.definitions.references import Output, Selection, ViewUse
from featurestore.definitions.spine import DEFAULT_TIME
from featurestore.definitions.views import Feature
from featurestore.errors import UsageError
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.operations.values import key_values, microseconds_of, warehouse_values
from featurestore.serving.judged import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from featurestore.sql.part import part_of
from featurestore.sql.plan import Retrieval
from featurestore.sql.spineless import key_count_query, snapshot_spine
from featurestore.training.compiled import Compiled
from featurestore.training.examples import UPLOADED, Examples, numbered, spine_of
from featurestore.training.stages import stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.part import Part
    from featurestore.definitions.spine import Spine
    from featurestore.definitions.views import FeatureView
    from featurestore.serving.judged import Status
    from featurestore.warehouse.protocol import Warehouse

_ANSWER, _ANY_AGE = "answer", "any_age"
_CREATED = "created"
_MOST_ROWS, _FEWEST_ROWS = 4_096, 128
_CELLS = 4_096 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the warehouse answers for some keys, as parallel lists.

    Attributes:
        keys: values of each join key.
        event_us: event time of each key's row, of any age; None where there is none.
        created_us: its created time; `NO_CREATED_TIME` where it has none.
        batch: the rows, from which `column` reads the features.
        is_alive: whether there is a row, and none too old.
    """

    keys: list[list[object]]
    event_us: list[int | None]
    created_us: list[int]
    batch: pa.RecordBatch
    is_alive: list[bool]

    def __len__(self) -> int:
        """Count the keys."""
        return len(self.event_us)

    def column(self, place: int, value_type: str) -> tuple[list[object], list[Status]]:
        """Values and statuses of the view's n-th feature."""
        array = self.batch.column(_feature(place))
        try:
            values = warehouse_values(array, value_type)
        except pa.ArrowException as problem:
            raise UsageError(
                f"expected {value_type} as feature {place + 1}, the warehouse gave {array.type}",
                hint="the model's types changed since the last apply; run featurestore apply",
            ) from problem
        dead: list[Status] = [NOT_FOUND if us is None else OUTSIDE_MAX_AGE for us in self.event_us]
        statuses = [
            (NULL_VALUE if value is None else PRESENT) if is_alive else status
            for value, is_alive, status in zip(values, self.is_alive, dead, strict=True)
        ]
        return values, statuses


def of_all_keys(view: FeatureView, at: datetime, part: Part | None, warehouse: Warehouse) -> Iterator[Answers]:
    """Answer for every key that the model has, or for a sample of them.

    Args:
        view: the definition.
        at: the moment, UTC.
        part: which of the keys; None for all.
        warehouse: open, used for this alone.

    Raises:
        QueryError: the warehouse refused a statement, e.g. since the model was not built.
        UsageError: a question that no training set could ask either.
    """
    selection = _selection(view)
    spine = snapshot_spine(selection, at, dialect=warehouse.dialect)
    if part is not None and view.join_keys:
        spine = part_of(spine, part, selection.spine_keys, dialect=warehouse.dialect)
    return _answers(view, selection, spine, warehouse)


def count_keys(view: FeatureView, warehouse: Warehouse) -> int:
    """Count the keys that the model has, of any time. Raises QueryError as `of_all_keys`."""
    if not view.join_keys:
        return 1
    (counts,) = warehouse.read(key_count_query(view, dialect=warehouse.dialect)).read_all().to_pylist()
    return int(counts["keys"])


def of_these_keys(view: FeatureView, at: datetime, keys: Sequence[pa.Array], warehouse: Warehouse) -> Iterator[Answers]:
    """Answer for given keys, one array per join key; in any order. Arguments and errors as `of_all_keys`."""
    moment = pa.scalar(at.replace(tzinfo=None), pa.timestamp("us"))
    times = pa.repeat(moment, len(keys[0]))
    table = pa.table([*keys, times], names=[*map(_key, range(len(keys))), DEFAULT_TIME])
    warehouse.upload(UPLOADED, numbered(table))
    examples = Examples(sql=f'SELECT * FROM "{UPLOADED}"', table=table, label="keys")
    spine = spine_of(examples, time=DEFAULT_TIME, dialect=warehouse.dialect, warehouse=lambda: warehouse)
    return _answers(view, _selection(view), spine, warehouse)


def _key(place: int) -> str:
    return f"key_{place}"


def _feature(place: int) -> str:
    return f"feature_{place}"


def _selection(view: FeatureView) -> Selection:
    """The view under its ttl and without, under names that meet none of the user's."""
    keys = tuple(map(_key, range(len(view.join_keys))))
    answer = ViewUse(view=view, name=_ANSWER, spine_keys=keys)
    any_age = ViewUse(view=with_created(replace(view, ttl_us=None)), name=_ANY_AGE, spine_keys=keys)
    outputs = [Output(use=answer, feature=each, name=_feature(n)) for n, each in enumerate(view.features)]
    if view.created_at is not None:
        created = next(each for each in any_age.view.features if each.name == view.created_at.name)
        outputs.append(Output(use=any_age, feature=created, name=_CREATED))
    return Selection(uses=(answer, any_age), outputs=tuple(outputs))


def with_created(view: FeatureView) -> FeatureView:
    """The view with its created time as a last feature, where nothing hangs on it (P4)."""
    created = view.created_at
    if created is None or any(feature.name == created.name for feature in view.features):
        return view
    return replace(view, features=(*view.features, Feature(name=created.name, type=created.type)))


def _answers(view: FeatureView, selection: Selection, spine: Spine, warehouse: Warehouse) -> Iterator[Answers]:
    compiled = Compiled(selection=selection, spine=spine, options=Retrieval(event_timestamps=True))
    statements, select = stages(compiled, warehouse, None)
    for statement in statements:
        warehouse.execute(statement)
    rows = min(_MOST_ROWS, max(_FEWEST_ROWS, _CELLS // max(1, len(view.features))))
    for batch in warehouse.read(select, batch_rows=rows):
        if batch.num_rows:
            yield _answer(view, batch)


def _answer(view: FeatureView, batch: pa.RecordBatch) -> Answers:
    created: list[int | None] = [None] * batch.num_rows
    if view.created_at is not None:
        created = microseconds_of(batch.column(_CREATED))
    return Answers(
        keys=[key_values(batch.column(_key(n)), key.type) for n, key in enumerate(view.join_keys)],
        event_us=microseconds_of(batch.column(f"{_ANY_AGE}__event_timestamp")),
        created_us=[NO_CREATED_TIME if us is None else us for us in created],
        batch=batch,
        is_alive=batch.column(f"{_ANSWER}__found").to_pylist(),
    )
