"""The answer to a lookup: entity columns first, then features in request order, one value and status per entity.

Statuses are Feast's names (SEMANTICS O3); `to_feast` is Feast's HTTP response.
"""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from featurestore.online.codec import instant
from featurestore.online.keys import without_numpy

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from featurestore.definitions.views import Json

Status = Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
PRESENT: Status = "PRESENT"
NULL_VALUE: Status = "NULL_VALUE"
NOT_FOUND: Status = "NOT_FOUND"
OUTSIDE_MAX_AGE: Status = "OUTSIDE_MAX_AGE"

_NO_TIME = "1970-01-01T00:00:00Z"  # what Feast answers where there is no event time
_ROWS_SHOWN = 20


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineResponse:
    """Features of the requested entities, in the requested order, duplicates kept (SEMANTICS O4).

    Attributes:
        entity_columns: the join keys, values as given.
        feature_columns: the features, in request order.
        count: how many entities were asked for.
    """

    entity_columns: tuple[FeatureColumn, ...]
    feature_columns: tuple[FeatureColumn, ...]
    count: int

    def __len__(self) -> int:
        """Count the entities."""
        return self.count

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """All columns: entities, then features."""
        return (*self.entity_columns, *self.feature_columns)

    @property
    def statuses(self) -> dict[str, list[Status]]:
        """The statuses of each feature, one per entity."""
        return {column.name: list(column.statuses) for column in self.feature_columns}

    @property
    def event_timestamps(self) -> dict[str, list[datetime | None]]:
        """The event time of each feature's row, UTC; None where there was no row."""
        return {
            column.name: [None if us is None else instant(us) for us in column.event_us]
            for column in self.feature_columns
        }

    def to_dict(self) -> dict[str, list[object]]:
        """Return the values by column name, one per entity."""
        return {column.name: list(column.values) for column in self.columns}

    def rows(self) -> list[dict[str, object]]:
        """Return one dict per entity, keys in column order."""
        names = [column.name for column in self.columns]
        if not self.columns:
            return [{} for _ in range(self.count)]
        return [dict(zip(names, row, strict=True)) for row in zip(*[c.values for c in self.columns], strict=True)]

    def to_feast(self) -> dict[str, Json]:
        """Return Feast's HTTP response as JSON values.

        Returns:
            ``{"metadata": {"feature_names": [...]}, "results": [{"values", "statuses", "event_timestamps"}, ...]}``,
            one result per column; times ISO with Z, NaN, infinities, decimals and dates as text, bytes in base64.
        """
        names: list[Json] = [column.name for column in self.columns]
        results: list[Json] = [_feast_result(column) for column in self.columns]
        return {"metadata": {"feature_names": names}, "results": results}

    def to_json_dict(self) -> dict[str, Json]:
        """Return the same as `to_feast`: what ``--json`` prints."""
        return self.to_feast()

    def to_arrow(self) -> pa.Table:
        """Return the values as an Arrow table, each column in the type its view declares, also when empty."""
        import pyarrow as pa

        arrays = [_arrow_array(column) for column in self.columns]
        return pa.Table.from_arrays(arrays, names=[column.name for column in self.columns])

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

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.feature_columns)
        return f"<features of {self.count} entities: {names}; .to_dict(), .to_df(), .statuses>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(column.name)}</th>" for column in self.columns)
        shown = range(min(self.count, _ROWS_SHOWN))
        body = "".join(f"<tr>{''.join(_html_cell(column, row) for column in self.columns)}</tr>" for row in shown)
        rest = f"<p>... {self.count} rows</p>" if self.count > _ROWS_SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


_NULLABLE_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def _html_cell(column: FeatureColumn, row: int) -> str:
    value, status = column.values[row], column.statuses[row]
    shown = html.escape(str(value)) if status == PRESENT else f"<i>{status}</i>"
    return f'<td title="{status}">{shown}</td>'


def _feast_result(column: FeatureColumn) -> dict[str, Json]:
    return {
        "values": [json_value(value) for value in column.values],
        "statuses": list(column.statuses),
        "event_timestamps": [_NO_TIME if us is None else _iso(instant(us)) for us in column.event_us],
    }


def json_value(value: object) -> Json:
    """Return a feature's value as JSON can hold it; see `OnlineResponse.to_feast`."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NON_FINITE.get(value, "NaN")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return _json_text(without_numpy(value))


_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _json_text(value: object) -> Json:
    if isinstance(value, (bool, int, float, str)):
        return json_value(value)
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _iso(moment: datetime) -> str:
    """Write a moment in UTC with a Z; naive is UTC (P14)."""
    utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{utc.isoformat()}Z"


def _arrow_array(column: FeatureColumn) -> pa.Array:
    import pyarrow as pa

    from featurestore.online.arrow_types import arrow_type

    wanted = arrow_type(column.type)
    try:
        return pa.array(column.values, type=wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(column.values)  # join keys may be given in another type than declared, e.g. "1001"
