"""Answers of a real Postgres to the SQL under test, as plain rows that compare with the oracle's.

Rows go in and out through the very connection that users have (`featurestore.warehouse.postgres`).
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.warehouse.postgres import open_warehouse
from tests.pit.duckdb_answers import array_of
from tests.warehouse.postgres_server import start_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.definitions.views import Column
    from featurestore.sql.plan import Plan
    from tests.pit.strategies import Rows, World

ADDRESS = "FEATURESTORE_TEST_POSTGRES"


@contextmanager
def server() -> Iterator[None]:
    """A server whose address all processes that are started meanwhile know."""
    started = start_postgres()
    os.environ[ADDRESS] = json.dumps(started.settings())
    try:
        yield
    finally:
        del os.environ[ADDRESS]
        started.stop()


class Warehouse:
    """A Postgres schema that holds the rows of one batch of cases at a time.

    Args:
        settings: of a dbt target; None takes the server that `server` started.
    """

    dialect = "postgres"

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.schema = f"cases_{os.getpid()}"
        given = dict(json.loads(os.environ[ADDRESS]) if settings is None else settings)
        self.warehouse = open_warehouse({**given, "schema": self.schema}, base_dir=Path())

    def close(self) -> None:
        """Forget everything."""
        self.warehouse.execute(f"drop schema if exists {self.schema} cascade")
        self.warehouse.close()

    def load(self, world: World, batch: Sequence[Rows]) -> None:
        """Make the relations of a world from the rows of one case or several; rows that cases share go in once."""
        for statement in (
            f"drop schema if exists {self.schema} cascade",
            f"create schema {self.schema}",
            f"set timezone = '{world.time_zone}'",
        ):
            self.warehouse.execute(statement)
        self.relation("spine", world.spine.columns, [row for rows in batch for row in rows.spine], world.kind)
        for view in world.views:
            tables = {id(rows.tables[view.name]): rows.tables[view.name] for rows in batch}
            rows = [row for table in tables.values() for row in table]
            stored = self.relation(view.name, world.columns(view), rows, world.kind)
            keys = ", ".join(f'"{key.name}"' for key in (*view.join_keys, view.event_time))
            self.warehouse.execute(f"create index on {stored} ({keys})")

    def relation(self, name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]], kind: str) -> str:
        """Make one relation, a table or a view on one; returns where its rows are."""
        arrow = pa.table([array_of(column, rows) for column in columns], names=[column.name for column in columns])
        stored = f"{self.schema}.{name if kind == 'table' else f'{name}_rows'}"
        self.warehouse.upload("uploaded", arrow)
        self.warehouse.execute(f"create table {stored} as select * from uploaded")
        if kind == "view":
            self.warehouse.execute(f"create view {self.schema}.{name} as select * from {stored}")
        return stored

    def read(self, sql: str) -> pa.Table:
        """Run one SELECT."""
        return self.warehouse.read(sql).read_all()

    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table:
        """Run a plan as one SELECT or as its stages, whose tables are gone afterwards."""
        if not is_staged:
            return self.read(plan.select())
        made, last = tuple(plan.statements()), plan.last()
        try:
            for statement in made:
                self.warehouse.execute(statement.sql)
            return self.read(last)
        finally:
            self.warehouse.execute("discard temp")
