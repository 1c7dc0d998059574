"""The columns of an answer: they keep the rows, and make values, statuses and event times when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.serving.judged import NULL_VALUE, PRESENT, JudgedRows
from featurestore.serving.plan import PlannedOutput

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from featurestore.serving.judged import Status


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

    outputs: Sequence[PlannedOutput]
    rows: Sequence[JudgedRows]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [output.name for output in self.outputs]

    def values(self) -> dict[str, list[object]]:
        """The values by column name."""
        return {output.name: values_of(output, self.rows[output.use]) for output in self.outputs}

    def statuses(self) -> dict[str, list[Status]]:
        """The statuses by column name."""
        return {output.name: statuses_of(output, self.rows[output.use]) for output in self.outputs}

    def event_us(self) -> dict[str, list[int | None]]:
        """The event times by column name."""
        return {output.name: list(self.rows[output.use].event_us) for output in self.outputs}

    def row_statuses(self, with_nulls: Container[int]) -> list[Sequence[Status] | None]:
        """The statuses of each use's rows; None where all are PRESENT, and with them all that was asked for.

        Args:
            with_nulls: the uses that have a null in any of their columns; the others are not searched.
        """
        return [self._judged(use) if use in with_nulls else rows.statuses for use, rows in enumerate(self.rows)]

    def uses_with_nulls(self) -> set[int]:
        """Find the uses of views that have a null among what was asked for."""
        return {output.use for output in self.outputs if None in self.rows[output.use].columns[output.cell]}

    def _judged(self, use: int) -> Sequence[Status]:
        rows = self.rows[use]
        statuses = rows.statuses or [PRESENT] * len(rows.event_us)
        if len(statuses) == 1:
            return [NULL_VALUE] if statuses[0] == PRESENT else statuses
        cells = [rows.columns[output.cell] for output in self.outputs if output.use == use]
        have_null = [None in row for row in zip(*cells, strict=True)]
        return [
            NULL_VALUE if has_null and status == PRESENT else status
            for has_null, status in zip(have_null, statuses, strict=True)
        ]

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
            for output in self.outputs
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what is shown, without what made it."""
        return ready_columns, (self.all(),)


def ready_columns(columns: Sequence[FeatureColumn]) -> Columns:
    """Return columns whose items are there already."""
    return Columns(
        [PlannedOutput(name=column.name, type=column.type, use=use, cell=0) for use, column in enumerate(columns)],
        [JudgedRows([column.values], column.statuses, column.event_us) for column in columns],
    )


def values_of(output: PlannedOutput, rows: JudgedRows) -> list[object]:
    """The values of one column, a new list."""
    cells = rows.columns[output.cell]
    convert = output.convert
    if convert is not None:
        return [None if cell is None else convert(cell) for cell in cells]
    return list(cells)


def statuses_of(output: PlannedOutput, rows: JudgedRows) -> list[Status]:
    """The statuses of one column, a new list."""
    cells = rows.columns[output.cell]
    if rows.statuses is None:
        return [NULL_VALUE if cell is None else PRESENT for cell in cells]
    return [
        NULL_VALUE if cell is None and status == PRESENT else status
        for cell, status in zip(cells, rows.statuses, strict=True)
    ]
