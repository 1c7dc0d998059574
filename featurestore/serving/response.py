"""The answer to a lookup: entity columns first, then features in request order, one value and status per entity.

Statuses are Feast's names (SEMANTICS O3); `to_feast` is Feast's HTTP response.
"""

from __future__ import annotations

import html
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.errors import UsageError, unknown_name
from featurestore.online.codec import instant
from featurestore.serving.feast_json import feast_json
from featurestore.serving.judged import PRESENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from featurestore.definitions.views import Json
    from featurestore.serving.columns import Columns, FeatureColumn
    from featurestore.serving.feast_json import ViewVersion
    from featurestore.serving.judged import Status

_ROWS_SHOWN = 20


class OnlineResponse:
    """Features of the requested entities, in the requested order, duplicates kept (SEMANTICS O4).

    Attributes:
        count: how many entities were asked for.
        error: why the store could not answer, when `on_error` is ``null``; empty in a complete answer.
    """

    def __init__(self, *, entities: Columns, features: Columns, count: int, error: str = "") -> None:
        self._entities = entities
        self._features = features
        self.count = count
        self.error = error

    def __len__(self) -> int:
        """Count the entities."""
        return self.count

    @property
    def is_complete(self) -> bool:
        """False when the store could not answer: every feature is null and NOT_FOUND then, and `error` says why."""
        return not self.error

    @cached_property
    def entity_columns(self) -> tuple[FeatureColumn, ...]:
        """The join keys, values as given."""
        return self._entities.all()

    @cached_property
    def feature_columns(self) -> tuple[FeatureColumn, ...]:
        """The features, in request order."""
        return self._features.all()

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """All columns: entities, then features."""
        return (*self.entity_columns, *self.feature_columns)

    @property
    def statuses(self) -> dict[str, list[Status]]:
        """The statuses of each feature, one per entity."""
        return self._features.statuses()

    @property
    def event_timestamps(self) -> dict[str, list[datetime | None]]:
        """The event time of each feature's row, UTC; None where there was no row."""
        return {
            name: [None if us is None else instant(us) for us in event_us]
            for name, event_us in self._features.event_us().items()
        }

    def to_dict(self) -> dict[str, list[object]]:
        """Return the values by column name, one per entity."""
        return {**self._entities.values(), **self._features.values()}

    def rows(self) -> list[dict[str, object]]:
        """Return one dict per entity, keys in column order."""
        values = self.to_dict()
        if not values:
            return [{} for _ in range(self.count)]
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

    def to_feast(self) -> dict[str, Json]:
        """Return Feast's HTTP response as JSON values.

        Returns:
            ``{"metadata": {"feature_names": [...]}, "results": [{"values", "statuses", "event_timestamps"}, ...]}``,
            one result per column; times ISO with Z, NaN, infinities, decimals and dates as text, bytes in base64.
        """
        answer: dict[str, Json] = msgspec.json.decode(self.to_feast_json())
        return answer

    def to_feast_json(self, *, has_types: bool = False, views: list[ViewVersion] | None = None) -> bytes:
        """Return Feast's HTTP response, UTF-8; arguments as `serving.feast_json`."""
        return feast_json(self._entities, self._features, has_types=has_types, views=views)

    def row_counts(self) -> list[dict[Status, int]]:
        """Return how many rows of each use of a view have each status, for those who count.

        Returns:
            One dict per use, statuses that no row has left out; NULL_VALUE counts the rows in which a feature that was
            asked for is null.
        """
        return self._features.row_counts()

    def to_json_dict(self) -> dict[str, Json]:
        """Return the same as `to_feast`: what ``--json`` prints."""
        return self.to_feast()

    def to_arrow(self) -> pa.Table:
        """Return the values as an Arrow table, each column in the type its view declares, also when empty."""
        import pyarrow as pa

        columns = self.columns
        arrays = [_arrow_array(column) for column in columns]
        return pa.Table.from_arrays(arrays, names=[column.name for column in columns])

    def to_df(self) -> pd.DataFrame:
        """Return the values as a pandas frame; whole numbers and booleans with gaps keep their kind (P13)."""
        import pandas as pd
        import pyarrow as pa

        nullable = {
            pa.bool_(): pd.BooleanDtype(),
            **{pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name) for name in _NULLABLE_INTEGERS},
        }
        frame: pd.DataFrame = self.to_arrow().to_pandas(types_mapper=nullable.get)
        return frame

    def to_numpy(self, features: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
        """Return the features as a matrix of 64-bit floats: what most models eat.

        Args:
            features: names of output columns, in the order wanted; all features in request order by default.

        Returns:
            One row per entity, one column per feature; True is 1, a missing value is NaN. Integers beyond 2^53 and
            decimals are rounded to the nearest float.

        Raises:
            UsageError: a feature that is not a number or a boolean.
            UnknownNameError: a name that was not asked for.
        """
        import numpy as np

        chosen = self.feature_columns if features is None else [self._feature(name) for name in features]
        for column in chosen:
            if not _is_number(column.type):
                raise UsageError(
                    f"feature '{column.name}' is not a number but a {column.type}",
                    where="to_numpy",
                    hint='name those to take, to_numpy(["..."]), or use to_df()',
                )
        matrix = np.empty((self.count, len(chosen)), dtype=np.float64)
        for place, column in enumerate(chosen):
            matrix[:, place] = np.array(column.values, dtype=np.float64)
        return matrix

    def _feature(self, name: str) -> FeatureColumn:
        for column in self.feature_columns:
            if column.name == name:
                return column
        raise unknown_name("feature", name, [column.name for column in self.feature_columns], place="the answer")

    def __repr__(self) -> str:
        names = ", ".join(self._features.names)
        missing = "" if self.is_complete else f"nothing was read: {self.error}; "
        return f"<features of {self.count} entities: {names}; {missing}.to_dict(), .to_df(), .statuses>"

    def _repr_html_(self) -> str:
        columns = self.columns
        head = "".join(f"<th>{html.escape(column.name)}</th>" for column in columns)
        shown = min(self.count, _ROWS_SHOWN)
        cells = [_html_cells(column, shown) for column in columns]
        body = "".join(f"<tr>{''.join(column[row] for column in cells)}</tr>" for row in range(shown))
        rest = f"<p>... {self.count} rows</p>" if self.count > _ROWS_SHOWN else ""
        error = "" if self.is_complete else f"<p>nothing was read: {html.escape(self.error)}</p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}{error}"


_NULLABLE_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def _is_number(value_type: str) -> bool:
    return (
        value_type == "boolean" or value_type in INTEGERS or value_type in FLOATS or value_type.startswith("decimal(")
    )


def _html_cells(column: FeatureColumn, count: int) -> list[str]:
    return [
        f'<td title="{status}">{html.escape(str(value)) if status == PRESENT else f"<i>{status}</i>"}</td>'
        for value, status in zip(column.values[:count], column.statuses[:count], strict=True)
    ]


def _arrow_array(column: FeatureColumn) -> pa.Array:
    import pyarrow as pa

    from featurestore.online.arrow_types import arrow_type

    values = column.values
    try:
        return pa.array(values, type=arrow_type(column.type))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(values)  # join keys may be given in another type than declared, e.g. "1001"
