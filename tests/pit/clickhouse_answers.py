"""Answers of a real ClickHouse to the SQL under test: our warehouse and its client, chdb in place of a server.

Every ClickHouse time is an instant, so a world's naive columns become instants and come back as the same microseconds.
The session gets the time zone of the world after ours was set: the SQL must not lean on either.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.warehouse.protocol import TableWrite
from tests.pit.duckdb_answers import array_of
from tests.warehouse.clickhouse_in_process import clickhouse_in_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column
    from featurestore.sql.plan import Plan
    from tests.pit.strategies import Rows, World


class Warehouse:
    """A database of its own in this process's ClickHouse; it holds the rows of one batch of cases at a time."""

    dialect = "clickhouse"

    def __init__(self) -> None:
        self.database = f"pit_{secrets.token_hex(4)}"
        self.keeper = clickhouse_in_process()  # what is in memory goes when the last session closes
        self.keeper.execute(f"create database {self.database}")
        self.opened = clickhouse_in_process(database=self.database)
        self.opened.execute("set max_threads = 1")  # small tables; a thread per core only costs

    def close(self) -> None:
        """Forget everything."""
        self.opened.execute(f"drop database {self.database}")
        self.opened.close()
        self.keeper.close()

    def load(self, world: World, batch: Sequence[Rows]) -> None:
        """Make the relations of a world from the rows of one case or several; rows that cases share go in once."""
        self.opened.execute(f"set session_timezone = '{world.time_zone}'")
        self.relation("spine", world.spine.columns, [row for rows in batch for row in rows.spine], world.kind)
        for view in world.views:
            tables = {id(rows.tables[view.name]): rows.tables[view.name] for rows in batch}
            rows = [row for table in tables.values() for row in table]
            self.relation(view.name, world.columns(view), rows, world.kind)

    def relation(
        self, name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]], kind: str = "table"
    ) -> None:
        """Make one relation, a table or a view on one, in place of what had its name."""
        arrow = pa.table([array_of(column, rows) for column in columns], names=[column.name for column in columns])
        stored = name if kind == "table" else f"{name}_rows"
        self.opened.execute(f"drop table if exists {name}")
        self.opened.upload("uploaded", arrow)
        self.opened.write_table(TableWrite(relation=stored, mode="replace"), [], "select * from uploaded")
        self.opened.execute("drop temporary table uploaded")
        if kind == "view":
            self.opened.execute(f"create view {name} as select * from {stored}")

    def read(self, sql: str) -> pa.Table:
        """Run one SELECT."""
        return self.opened.read(sql).read_all()

    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table:
        """Run a plan as one SELECT or as its stages."""
        if not is_staged:
            return self.read(plan.select())
        made, last = tuple(plan.statements()), plan.last()
        for statement in made:
            self.opened.execute(statement.sql)
        try:
            return self.read(last)
        finally:
            for step in plan.steps:
                if step.is_stored:
                    self.opened.execute(f'drop temporary table "{step.name}"')
