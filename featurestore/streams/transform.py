"""SQL on a batch of events: DuckDB in memory, without files or network, one thread.

A row says of which event of the batch it was made. Where an event makes the SQL fail, it is found by halving, and the
others go through.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from featurestore.definitions.streams import EVENTS
from featurestore.errors import UsageError
from featurestore.sql.row_level import EVENT_NUMBER, with_event_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAFE = (
    "SET TimeZone = 'UTC'",
    "SET threads = 1",
    "SET enable_progress_bar = false",
    "SET preserve_insertion_order = true",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)

_SHAPE = "__shape"
"""An empty table of the events' columns."""


class Transform:
    """One SELECT over events; for one thread.

    Args:
        sql: row-level, as `sql.row_level.row_level_sql` returns it.
    """

    def __init__(self, sql: str) -> None:
        self._sql = with_event_numbers(sql)
        self._connection = duckdb.connect(":memory:")
        for statement in _SAFE:
            self._connection.execute(statement)

    def columns(self, schema: pa.Schema) -> dict[str, str]:
        """Names and DuckDB types of what it makes of events of this schema. Raises UsageError where it cannot."""
        self._connection.register(EVENTS, _numbered(schema.empty_table()))
        try:
            rows = self._connection.execute(f"DESCRIBE {self._sql}").fetchall()
        except duckdb.Error as error:
            raise UsageError(_said(error), hint="correct the SQL, or the columns of the stream") from None
        seen: set[str] = set()
        for name, *_ in rows:
            if str(name).casefold() in seen:
                raise UsageError(f"its result has two columns '{name}'", hint="give each a name of its own")
            seen.add(str(name).casefold())
        return {str(row[0]): str(row[1]) for row in rows if row[0] != EVENT_NUMBER}

    def plan(self, schema: pa.Schema) -> dict[str, Any]:
        """How DuckDB understands it, of events of this schema: its plan, bound and not yet optimized, as JSON."""
        self._connection.register(_SHAPE, _numbered(schema.empty_table()))
        self._connection.unregister(EVENTS)
        self._connection.execute(f"CREATE TABLE {EVENTS} AS FROM {_SHAPE}")  # the plan of a registered one is not told
        rows = self._connection.execute("SELECT json_serialize_plan(CAST(? AS VARCHAR))", [self._sql]).fetchall()
        self._connection.execute(f"DROP TABLE {EVENTS}")
        told: dict[str, Any] = json.loads(rows[0][0])
        if told["error"]:
            raise UsageError(f"DuckDB does not say how it understands it: {told['error_message'].splitlines()[0]}")
        return told

    def run(self, events: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """Make rows of a batch.

        Args:
            events: of the stream's schema, one row per event.

        Returns:
            Rows: as many as the SQL makes. Columns: its own, and `EVENT_NUMBER`, the place of the event in the batch;
            and by such places, why the SQL failed on an event.
        """
        refused: dict[int, str] = {}
        made = list(self._run(_numbered(events), refused))
        return pa.concat_tables(made, promote_options="permissive"), refused

    def close(self) -> None:
        """Close DuckDB."""
        self._connection.close()

    def _run(self, events: pa.Table, refused: dict[int, str]) -> Iterator[pa.Table]:
        self._connection.register(EVENTS, events)
        try:
            made = self._connection.sql(self._sql).to_arrow_table()
        except duckdb.Error as error:
            if events.num_rows <= 1:
                refused.update(dict.fromkeys(events.column(EVENT_NUMBER).to_pylist(), _said(error)))
                self._connection.register(EVENTS, events.slice(0, 0))
                made = self._connection.sql(self._sql).to_arrow_table()
            else:
                half = events.num_rows // 2
                yield from self._run(events.slice(0, half), refused)
                yield from self._run(events.slice(half), refused)
                return
        yield made


def _numbered(events: pa.Table) -> pa.Table:
    return events.append_column(EVENT_NUMBER, pa.array(range(events.num_rows), pa.int64()))


def _said(error: duckdb.Error) -> str:
    return str(error).split("\n\n")[0].split("\nLINE")[0].strip()
