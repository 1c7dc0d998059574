"""The columns of an answer: they keep the rows, and make values, statuses and event times when they are asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING

from featurestore.serving.judged import NULL_VALUE, PRESENT, JudgedRows
from featurestore.serving.outputs import PlannedOutput, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.serving.judged import Status
    from featurestore.serving.outputs import Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureColumn:
    """One column of an answer, as parallel lists with one item per requested entity.

    Attributes:
        name, type: of the column; types as in `definitions.types`.
        values: None unless the status is PRESENT.
        statuses: why a value is there or not.
        event_us: event times of the rows, microseconds since 1970; None where there was no row.
    """

    name: str
    type: str
    values: list[object]
    statuses: list[Status]
    event_us: list[int | None]


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns that are made when they are asked for; each list of items is a new one.

    Attributes:
        outputs: where each column's items are.
        rows: of each use of a view.
    """

    outputs: Outputs
    rows: Sequence[JudgedRows]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [output.name for output in self.outputs.columns]

    def values(self) -> dict[str, list[object]]:
        """The values by column name."""
        return {output.name: values_of(output, self.rows[output.use]) for output in self.outputs.columns}

    def statuses(self) -> dict[str, list[Status]]:
        """The statuses by column name."""
        return {output.name: statuses_of(output, self.rows[output.use]) for output in self.outputs.columns}

    def event_us(self) -> dict[str, list[int | None]]:
        """The event times by column name."""
        return {output.name: list(self.rows[output.use].event_us) for output in self.outputs.columns}

    def row_counts(self) -> list[dict[Status, int]]:
        """How many rows of each use have each status; NULL_VALUE where one of its columns here is null."""
        return [_counts(used.pick(rows.columns), rows) for used, rows in zip(self.outputs.uses, self.rows, strict=True)]

    def all(self) -> tuple[FeatureColumn, ...]:
        """Everything."""
        return tuple(
            FeatureColumn(
                name=output.name,
                type=output.type,
                values=values_of(output, self.rows[output.use]),
                statuses=statuses_of(output, self.rows[output.use]),
                event_us=list(self.rows[output.use].event_us),
            )
            for output in self.outputs.columns
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what is shown, without what made it."""
        return ready_columns, (self.all(),)


def ready_columns(columns: Sequence[FeatureColumn]) -> Columns:
    """Return columns whose items are there already."""
    return Columns(
        outputs_of(
            PlannedOutput(name=column.name, type=column.type, use=use, cell=0) for use, column in enumerate(columns)
        ),
        [JudgedRows([column.values], column.statuses, column.event_us) for column in columns],
    )


def values_of(output: PlannedOutput, rows: JudgedRows) -> list[object]:
    """The values of one column, a new list."""
    cells = rows.columns[output.cell]
    convert = output.convert
    if convert is not None:
        return [None if cell is None else convert(cell) for cell in cells]
    return list(cells)


def _counts(columns: Sequence[Sequence[object]], rows: JudgedRows) -> dict[Status, int]:
    if rows.statuses is None and len(rows.event_us) == 1:
        return {NULL_VALUE if (None,) in columns else PRESENT: 1}
    have_null = map(contains, zip(*columns, strict=True), repeat(None))
    if rows.statuses is None:
        nulls, count = sum(have_null), len(rows.event_us)
        return {PRESENT: count} if not nulls else {PRESENT: count - nulls, NULL_VALUE: nulls}
    return Counter(
        NULL_VALUE if has_null and status == PRESENT else status
        for has_null, status in zip(have_null, rows.statuses, strict=True)
    )


def statuses_of(output: PlannedOutput, rows: JudgedRows) -> list[Status]:
    """The statuses of one column, a new list."""
    cells = rows.columns[output.cell]
    if rows.statuses is None:
        return [NULL_VALUE if cell is None else PRESENT for cell in cells]
    return [
        NULL_VALUE if cell is None and status == PRESENT else status
        for cell, status in zip(cells, rows.statuses, strict=True)
    ]
