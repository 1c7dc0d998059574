"""The columns of a stream's events as Arrow has them, in a batch, in DuckDB and offline alike.

What Arrow alone cannot type (structs, maps) is JSON text, so that every batch has one and the same schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.definitions.streams import ORIGIN_COLUMNS
from featurestore.online.arrow_types import arrow_type

if TYPE_CHECKING:
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Column

_TIMES = frozenset(("timestamp_s", "timestamp_ms", "timestamp_ns"))


def event_type(column: Column) -> pa.DataType:
    """Return the Arrow type of an event's column."""
    return pa.timestamp("us") if column.type in _TIMES else arrow_type(column.type) or pa.string()


def event_schema(stream: Stream) -> pa.Schema:
    """Return the schema of a stream's events: what they hold, then where they came from."""
    return pa.schema([(column.name, event_type(column)) for column in (*stream.columns, *ORIGIN_COLUMNS)])
