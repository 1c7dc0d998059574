"""The spine: the examples that a training set is made for."""

from __future__ import annotations

from dataclasses import dataclass

from featurestore.definitions.types import TIMES
from featurestore.definitions.views import Column
from featurestore.errors import SpineError, did_you_mean

DEFAULT_TIME = "event_timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """The examples (Feast: entity dataframe).

    Attributes:
        sql: one SELECT in the warehouse's dialect that yields them.
        columns: what it yields, in order, with types.
        time: the column that says when each example was observed.
        row_number: a column that already numbers the rows, 0.. in input order (uploaded frames have one);
            it is dropped from the result. None when the query numbers them itself.
        dialect: that `sql` is written in (sqlglot's name); None is that of the query it becomes part of.
    """

    sql: str
    columns: tuple[Column, ...]
    time: str
    row_number: str | None = None
    dialect: str | None = None

    @property
    def output_columns(self) -> tuple[str, ...]:
        """Names of the spine columns that the result repeats, in order."""
        return tuple(column.name for column in self.columns if column.name != self.row_number)

    def column(self, name: str) -> Column:
        """Find a column, exactly or case ignored. Raises SpineError with near names."""
        for column in self.columns:
            if column.name == name:
                return column
        folded = [column for column in self.columns if column.name.casefold() == name.casefold()]
        if len(folded) == 1:
            return folded[0]
        raise SpineError(f"the spine has no column '{name}'", hint=did_you_mean(name, self.output_columns))


def time_column(columns: tuple[Column, ...], wanted: str | None, *, later: tuple[str, ...] = ()) -> str:
    """Choose the spine's time column: the one asked for, else ``event_timestamp``, else the only timestamp.

    Args:
        columns: the spine's.
        wanted: the one asked for.
        later: columns that hold what is known only after the example's time, so that none is chosen by itself.

    Raises:
        SpineError: no such column, none or several to choose from, or it is no timestamp.
    """
    names = [column.name for column in columns]
    if wanted is not None:
        match = [column for column in columns if column.name.casefold() == wanted.casefold()]
        if not match:
            raise SpineError(f"the spine has no time column '{wanted}'", hint=did_you_mean(wanted, names))
        chosen = match[0]
    else:
        apart = {name.casefold() for name in later}
        possible = [column for column in columns if column.name.casefold() not in apart]
        named = [column for column in possible if column.name.casefold() == DEFAULT_TIME]
        times = named or [column for column in possible if column.type in TIMES]
        if len(times) != 1:
            all_of_them = ", ".join(f"{column.name} {column.type}" for column in possible)
            got = ", ".join(column.name for column in times) or f"none among {all_of_them}"
            raise SpineError(
                f"the spine's time column is unclear: expected '{DEFAULT_TIME}' or one timestamp column, got {got}",
                hint="name it: --time COLUMN, or time= in Python",
            )
        chosen = times[0]
    if chosen.type not in TIMES:
        raise SpineError(
            f"the spine's time column '{chosen.name}' is {chosen.type}, expected a timestamp",
            hint="cast it where the spine is made, e.g. cast(x as timestamp)",
        )
    return chosen.name
